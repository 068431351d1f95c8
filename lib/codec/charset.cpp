// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/codec/charset.hpp"

#include <iconv.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "keystonemail/base/text.hpp"

namespace keystonemail::codec {
namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";  // U+FFFD
constexpr std::size_t growth_max = 4;
constexpr std::size_t sequence_octets_max = 16;  // of any charset below, shift sequences included

enum class Family : std::uint8_t { utf8, iconv, unknown };

struct Charset {
  Family family = Family::unknown;
  std::string iconv_name;
  std::size_t unit_octets = 1;  // what is passed over at an invalid sequence
};

// iconv loads code by name, and some of its rarer converters have had memory errors and assertions that any sender
// could reach (glibc's ISO-2022-CN-EXT and ISO-2022-JP-3), so only what mail uses is asked for.
constexpr std::array iconv_prefixes = {
    std::string_view("ISO-8859-"), std::string_view("WINDOWS-125"), std::string_view("CP125"),
    std::string_view("KOI8-"),     std::string_view("IBM4"),        std::string_view("IBM8"),
    std::string_view("CP8"),       std::string_view("CP4"),         std::string_view("CP7")};
constexpr std::array iconv_names = {
    std::string_view("UTF-7"),       std::string_view("UTF-16"),     std::string_view("UTF-16BE"),
    std::string_view("UTF-16LE"),    std::string_view("UTF-32"),     std::string_view("UTF-32BE"),
    std::string_view("UTF-32LE"),    std::string_view("ISO-2022-JP"), std::string_view("ISO-2022-JP-2"),
    std::string_view("ISO-2022-KR"), std::string_view("EUC-JP"),     std::string_view("EUC-KR"),
    std::string_view("EUC-TW"),      std::string_view("EUC-CN"),     std::string_view("SHIFT_JIS"),
    std::string_view("SJIS"),        std::string_view("CP932"),      std::string_view("CP949"),
    std::string_view("CP936"),       std::string_view("CP950"),      std::string_view("GB2312"),
    std::string_view("GBK"),         std::string_view("GB18030"),    std::string_view("BIG5"),
    std::string_view("BIG5-HKSCS"),  std::string_view("TIS-620"),    std::string_view("MACINTOSH"),
    std::string_view("JOHAB"),       std::string_view("VISCII"),     std::string_view("HP-ROMAN8"),
    std::string_view("CP874"),       std::string_view("KOI-8"),      std::string_view("ARMSCII-8"),
    std::string_view("GEORGIAN-PS"), std::string_view("TCVN")};

struct Alias {
  std::string_view name, meant;
};
// LENIENT: what mail calls them, and the superset that is meant (as browsers read them): text labelled ISO-8859-1,
// Shift_JIS, GB2312 or KS_C_5601 commonly holds characters of the Windows charset around it.
constexpr std::array aliases = {
    Alias{"ISO-8859-1", "WINDOWS-1252"}, Alias{"ISO8859-1", "WINDOWS-1252"},   Alias{"LATIN1", "WINDOWS-1252"},
    Alias{"ISO-8859-8-I", "ISO-8859-8"}, Alias{"ISO-8859-8-E", "ISO-8859-8"},  Alias{"ISO-8859-9", "WINDOWS-1254"},
    Alias{"GB2312", "GB18030"},          Alias{"GBK", "GB18030"},              Alias{"SHIFT_JIS", "CP932"},
    Alias{"SHIFT-JIS", "CP932"},         Alias{"X-SJIS", "CP932"},             Alias{"SJIS", "CP932"},
    Alias{"WINDOWS-31J", "CP932"},       Alias{"KS_C_5601-1987", "CP949"},     Alias{"KS_C_5601", "CP949"},
    Alias{"EUC-KR", "CP949"},            Alias{"WINDOWS-949", "CP949"},        Alias{"WINDOWS-874", "CP874"},
    Alias{"X-MAC-ROMAN", "MACINTOSH"},   Alias{"X-GBK", "GB18030"},            Alias{"CN-BIG5", "BIG5"},
    Alias{"X-EUC-JP", "EUC-JP"},         Alias{"UNICODE-1-1-UTF-7", "UTF-7"},  Alias{"UCS-2", "UTF-16"}};

std::size_t unit_octets_of(std::string_view name) {
  return name.starts_with("UTF-16") ? 2 : name.starts_with("UTF-32") ? 4 : 1;
}

Charset find_charset(std::string_view given) {
  if (given.size() > 40) return {};
  std::string name = to_upper(trim(given));
  if (name.empty() || name == "UTF-8" || name == "UTF8" || name == "US-ASCII" || name == "ASCII" ||
      name == "ANSI_X3.4-1968" || name == "UNICODE-1-1-UTF-8")
    return {Family::utf8, {}, 1};
  for (const Alias& alias : aliases)
    if (name == alias.name) name = alias.meant;
  const bool plain = std::ranges::all_of(name, [](char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '_'; });
  const bool offered = std::ranges::find(iconv_names, name) != iconv_names.end() ||
                       std::ranges::any_of(iconv_prefixes, [&](auto prefix) { return name.starts_with(prefix); });
  if (!plain || !offered) return {};
  return {Family::iconv, name, unit_octets_of(name)};
}

class Handle {
 public:
  explicit Handle(const std::string& name) noexcept : handle_(iconv_open("UTF-8", name.c_str())) {}
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() {
    if (good()) iconv_close(handle_);
  }
  [[nodiscard]] bool good() const noexcept { return handle_ != invalid(); }
  [[nodiscard]] iconv_t get() const noexcept { return handle_; }

 private:
  static iconv_t invalid() noexcept { return reinterpret_cast<iconv_t>(-1); }  // NOLINT: the interface's own value
  iconv_t handle_;
};

// Whether `text` may be the beginning of one more code point.
bool may_continue(std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  const std::size_t wanted = first >= 0xf0 && first <= 0xf4 ? 4 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xc2 ? 2 : 1;
  return first <= 0xf4 && text.size() < wanted;
}

}  // namespace

class CharsetDecoder::Converter {
 public:
  virtual ~Converter() = default;
  virtual void append(std::string& out, std::string_view piece) = 0;
  virtual void finish(std::string& out) = 0;
};

namespace {

class Utf8Converter final : public CharsetDecoder::Converter {
 public:
  void append(std::string& out, std::string_view piece) override {
    while (!held_.empty() && !piece.empty()) {
      held_.push_back(piece.front());
      piece.remove_prefix(1);
      std::string_view rest = held_;
      convert(out, rest);
      held_.erase(0, held_.size() - rest.size());
    }
    convert(out, piece);
    held_ += piece;
  }
  void finish(std::string& out) override {
    for (std::size_t i = 0; i < held_.size(); ++i) out += replacement;
    held_.clear();
  }

 private:
  // Takes all of `text` but a sequence that may yet be completed.
  static void convert(std::string& out, std::string_view& text) {
    while (!text.empty()) {
      std::size_t good = 0;
      while (good < text.size()) {
        if (static_cast<unsigned char>(text[good]) < 0x80) {
          ++good;
        } else if (const auto decoded = decode_utf8(text.substr(good))) {
          good += decoded->octets;
        } else {
          break;
        }
      }
      out += text.substr(0, good);
      text.remove_prefix(good);
      if (text.empty() || may_continue(text)) return;
      out += replacement;
      text.remove_prefix(1);
    }
  }

  std::string held_;
};

class IconvConverter final : public CharsetDecoder::Converter {
 public:
  explicit IconvConverter(const Charset& charset) : handle_(charset.iconv_name), unit_octets_(charset.unit_octets) {}
  [[nodiscard]] bool good() const noexcept { return handle_.good(); }

  void append(std::string& out, std::string_view piece) override {
    octets_in_ += piece.size();
    while (!held_.empty() && !piece.empty()) {
      const std::size_t taken = std::min(sequence_octets_max, piece.size());
      const std::size_t held_before = held_.size();
      held_ += piece.substr(0, taken);
      std::string_view rest = held_;
      convert(out, rest);
      const std::size_t used = held_.size() - rest.size();
      if (used >= held_before) {  // past what was held: the rest is read from `piece` itself
        piece.remove_prefix(used - held_before);
        held_.clear();
      } else {
        piece.remove_prefix(taken);
        held_.erase(0, used);
      }
    }
    if (piece.empty()) return;
    convert(out, piece);
    held_ += piece;
  }

  void finish(std::string& out) override {
    if (!held_.empty()) put(out, replacement);
    held_.clear();
    flush(out);
  }

 private:
  // Takes all of `text` but an incomplete sequence at its end.
  void convert(std::string& out, std::string_view& text) {
    while (!text.empty()) {
      std::array<char, 4096> buffer;
      char* from = const_cast<char*>(text.data());  // iconv's interface; it does not write there
      std::size_t from_left = text.size();
      char* to = buffer.data();
      std::size_t to_left = buffer.size();
      const std::size_t converted = iconv(handle_.get(), &from, &from_left, &to, &to_left);
      const int error = converted == static_cast<std::size_t>(-1) ? errno : 0;
      put(out, {buffer.data(), buffer.size() - to_left});
      text.remove_prefix(text.size() - from_left);
      if (error == EINVAL && text.size() < sequence_octets_max) return;
      if (error == EILSEQ || error == EINVAL) {
        put(out, replacement);
        text.remove_prefix(std::min(unit_octets_, text.size()));
      } else if (error != 0 && error != E2BIG) {
        text = {};  // no error known to happen
      }
    }
  }

  // What the converter holds back until it has seen what follows.
  void flush(std::string& out) {
    std::array<char, 64> buffer;
    char* to = buffer.data();
    std::size_t to_left = buffer.size();
    iconv(handle_.get(), nullptr, nullptr, &to, &to_left);
    put(out, {buffer.data(), buffer.size() - to_left});
  }

  // Keeps the promise about growth whatever a converter does.
  void put(std::string& out, std::string_view converted) {
    if (octets_out_ + converted.size() > growth_max * octets_in_) return;
    octets_out_ += converted.size();
    out += converted;
  }

  Handle handle_;
  std::size_t unit_octets_;
  std::uint64_t octets_in_ = 0;
  std::uint64_t octets_out_ = 0;
  std::string held_;
};

std::unique_ptr<CharsetDecoder::Converter> make_converter(std::string_view name) {
  const Charset charset = find_charset(name);
  if (charset.family == Family::utf8) return std::make_unique<Utf8Converter>();
  if (charset.family == Family::iconv) {
    auto converter = std::make_unique<IconvConverter>(charset);
    if (converter->good()) return converter;
  }
  return std::make_unique<Utf8Converter>();  // LENIENT: what is called unknown-8bit and the like is UTF-8 more often than not
}

}  // namespace

CharsetDecoder::CharsetDecoder(std::string_view charset) : converter_(make_converter(charset)) {}
CharsetDecoder::CharsetDecoder(CharsetDecoder&&) noexcept = default;
CharsetDecoder& CharsetDecoder::operator=(CharsetDecoder&&) noexcept = default;
CharsetDecoder::~CharsetDecoder() = default;

void CharsetDecoder::append(std::string& out, std::string_view piece) { converter_->append(out, piece); }
void CharsetDecoder::finish(std::string& out) { converter_->finish(out); }

bool is_known_charset(std::string_view charset) {
  const Charset found = find_charset(charset);
  return found.family == Family::utf8 || (found.family == Family::iconv && Handle(found.iconv_name).good());
}

std::string to_utf8(std::string_view text, std::string_view charset) {
  std::string out;
  if (is_ascii(text) && find_charset(charset).family == Family::utf8) return std::string(text);
  CharsetDecoder decoder(charset);
  decoder.append(out, text);
  decoder.finish(out);
  return out;
}

void append_valid_utf8(std::string& out, std::string_view text) {
  Utf8Converter converter;
  converter.append(out, text);
  converter.finish(out);
}

}  // namespace keystonemail::codec
