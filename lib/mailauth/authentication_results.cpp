// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/authentication_results.hpp"

#include <algorithm>
#include <optional>

#include "base/format.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/idna.hpp"
#include "keystonemail/mime/header.hpp"
#include "mailauth/folded_field.hpp"

namespace keystonemail::mailauth {
namespace {

bool is_control(char c) noexcept { return static_cast<unsigned char>(c) < 0x20 || c == '\x7f'; }

// U+0080 to U+009F: a terminal may take them for the controls that they are.
bool is_control(CodePoint point) noexcept { return point.value < 0x20 || (point.value >= 0x7f && point.value < 0xa0); }

// `text` with what may not stand in a header field replaced, and not too long.
std::string clean(std::string_view text) {
  std::string out;
  while (!text.empty() && out.size() < limits::result_value_octets_max) {
    const auto point = decode_utf8(text);
    const std::size_t octets = point ? point->octets : 1;
    if (!point || is_control(*point)) {
      out += '?';
    } else {
      out += text.substr(0, octets);
    }
    text.remove_prefix(octets);
  }
  return out;
}

// RFC 2045 §5.1.
bool is_token(std::string_view text) noexcept {
  constexpr std::string_view specials = "()<>@,;:\\\"/[]?=";
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return c > ' ' && c < '\x7f' && specials.find(c) == std::string_view::npos;
  });
}

// One or more pieces of what `is_allowed` allows, with dots in between.
template <class IsAllowed>
bool is_dotted(std::string_view text, IsAllowed is_allowed) noexcept {
  char before = '.';
  for (const char c : text) {
    if (c == '.' ? before == '.' : !is_allowed(c)) return false;
    before = c;
  }
  return before != '.';
}

bool is_beyond_ascii(char c) noexcept { return static_cast<unsigned char>(c) >= 0x80; }

// RFC 6376 §3.5  domain-name, with U-labels
bool is_domain(std::string_view text) noexcept {
  const bool has_edge = text.starts_with('-') || text.ends_with('-') || text.find("-.") != std::string_view::npos ||
                        text.find(".-") != std::string_view::npos;
  return !has_edge && is_dotted(text, [](char c) { return is_alpha(c) || is_digit(c) || c == '-' || is_beyond_ascii(c); });
}

// [ [ local-part ] "@" ] domain-name, with a dot-atom before the "@".
bool is_address(std::string_view text) noexcept {
  const std::size_t at = text.find('@');
  if (at == std::string_view::npos || !is_domain(text.substr(at + 1))) return false;
  constexpr std::string_view atom_specials = "!#$%&'*+-/=?^_`{|}~";
  return at == 0 || is_dotted(text.substr(0, at), [&](char c) {
    return is_alpha(c) || is_digit(c) || atom_specials.find(c) != std::string_view::npos || is_beyond_ascii(c);
  });
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out += '"';
}

// The same with a quoted local part, as the grammar wants addresses: not quoted as a whole.
bool is_quoted_address(std::string_view text) noexcept {
  const std::size_t at = text.rfind('@');
  if (at == std::string_view::npos || at < 2 || text.front() != '"' || text[at - 1] != '"') return false;
  const std::string_view local_part = text.substr(1, at - 2);
  for (std::size_t i = 0; i < local_part.size(); ++i) {
    if (local_part[i] == '"' || (local_part[i] == '\\' && ++i == local_part.size())) return false;
  }
  return is_domain(text.substr(at + 1));
}

std::string value_text(std::string_view value) {
  const std::string text = clean(value);
  return is_token(text) || is_domain(text) || is_address(text) || is_quoted_address(text) ? text : quoted(text);
}

std::string keyword(std::string_view word) {
  std::string out = to_lower(word);
  std::ranges::replace_if(out, [](char c) { return !is_alpha(c) && !is_digit(c) && c != '-' && c != '_'; }, '-');
  return out.empty() ? "-" : out;
}

// Its words may be parted by folds.
void write_comment(FoldedField& out, std::string_view comment) {
  std::string text = "(";
  for (const char c : clean(comment)) {
    if (c == '(' || c == ')' || c == '\\') text += '\\';
    text += c;
  }
  text += ')';
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = std::min(rest.find(' '), rest.size());
    if (end != 0) out.word(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

void write_result(FoldedField& out, const MethodResult& result, std::string_view end) {
  std::string word = keyword(result.method);
  if (result.version != 1) word += format("/{}", result.version);
  word += '=' + keyword(result.result);
  // What comes last takes the ";" with it.
  std::vector<std::string> words;
  if (!result.reason.empty()) words.push_back("reason=" + value_text(result.reason));
  for (const ResultProperty& property : result.properties) {
    words.push_back(format("{}.{}={}", keyword(property.type), keyword(property.name), value_text(property.value)));
  }
  if (words.empty() && result.comment.empty()) return out.fold(word + std::string(end));
  out.fold(word);
  if (!result.comment.empty()) write_comment(out, result.comment);
  if (words.empty()) return out.piece(end);
  words.back() += end;
  for (const std::string& each : words) out.word(each);
}

// What the fields are made of, with comments and folding passed over (RFC 5322 §3.2.2).
class Reader {
 public:
  explicit Reader(std::string_view text) noexcept : text_(text) {}

  [[nodiscard]] bool failed() const noexcept { return failed_; }
  [[nodiscard]] bool at_end() noexcept {
    skip();
    return position_ >= text_.size();
  }
  bool take(char c) noexcept {
    skip();
    if (position_ >= text_.size() || text_[position_] != c) return false;
    ++position_;
    return true;
  }
  // Empty when there is none.
  std::string word() {
    skip();
    const std::size_t begin = position_;
    while (position_ < text_.size() && is_word(text_[position_])) ++position_;
    return to_lower(text_.substr(begin, position_ - begin));
  }
  [[nodiscard]] std::optional<unsigned> number() {
    skip();
    const std::size_t begin = position_;
    while (position_ < text_.size() && is_digit(text_[position_])) ++position_;
    const auto value = parse_decimal(text_.substr(begin, position_ - begin), 1'000'000);
    if (!value) return std::nullopt;
    return static_cast<unsigned>(*value);
  }
  // LENIENT: octets that a token may not have are let be where nothing else could begin: "::1", "a/b=".
  [[nodiscard]] std::optional<std::string> value() {
    skip();
    std::string out;
    const std::size_t begin = position_;
    while (position_ < text_.size() && !ends_value(text_[position_])) {
      if (text_[position_] == '"') {
        const std::size_t quote = position_;
        std::string text;
        if (!take_quoted(text)) return std::nullopt;
        // A quoted local part keeps its quotes: without them it is another address.
        const bool in_address = position_ < text_.size() && text_[position_] == '@';
        out += in_address ? mime::unfold(text_.substr(quote, position_ - quote)) : text;
      } else if (is_control(text_[position_])) {
        return std::nullopt;
      } else {
        out += text_[position_++];
      }
    }
    if (position_ == begin) return std::nullopt;
    return out;
  }

 private:
  static bool is_white(char c) noexcept { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
  static bool is_word(char c) noexcept { return is_alpha(c) || is_digit(c) || c == '-' || c == '_'; }
  static bool ends_value(char c) noexcept { return is_white(c) || c == ';' || c == '('; }

  void skip() noexcept {
    while (position_ < text_.size()) {
      if (text_[position_] == '(') {
        skip_comment();
      } else if (is_white(text_[position_])) {
        ++position_;
      } else {
        return;
      }
    }
  }
  void skip_comment() noexcept {
    std::size_t depth = 0;
    for (; position_ < text_.size(); ++position_) {
      const char c = text_[position_];
      if (c == '\\') ++position_;
      if (c == '(' && ++depth > limits::result_comment_depth_max) break;
      if (c == ')' && --depth == 0) {
        ++position_;
        return;
      }
    }
    failed_ = true;
    position_ = text_.size();
  }
  bool take_quoted(std::string& out) {
    for (++position_; position_ < text_.size(); ++position_) {
      char c = text_[position_];
      if (c == '"') {
        ++position_;
        return true;
      }
      if (c == '\\' && ++position_ == text_.size()) return false;
      c = text_[position_];
      if (c == '\r' || c == '\n') continue;  // folding
      out += c;
    }
    return false;
  }

  std::string_view text_;
  std::size_t position_ = 0;
  bool failed_ = false;
};

auto invalid(std::string_view what) { return fail(ErrorKind::invalid, std::string(what)); }

// RFC 8601 §2.2 propspec and reasonspec, until the ";".
Result<void> read_properties(Reader& reader, MethodResult& result) {
  while (!reader.at_end()) {
    if (reader.take(';')) return {};
    std::string type = reader.word();
    if (type.empty()) return invalid("property type expected");
    if (reader.take('=')) {
      auto reason = reader.value();
      if (type != "reason" || !reason || !result.reason.empty()) return invalid("property expected");
      result.reason = *std::move(reason);
      continue;
    }
    if (!reader.take('.')) return invalid("\".\" expected");
    std::string name = reader.word();
    if (name.empty() || !reader.take('=')) return invalid("property name expected");
    auto value = reader.value();
    if (!value) return invalid("value expected");
    if (result.properties.size() == limits::result_properties_max) return fail(ErrorKind::too_large, "too many properties");
    result.properties.push_back({std::move(type), std::move(name), *std::move(value)});
  }
  return {};
}

Result<void> read_results(Reader& reader, AuthenticationResults& out) {
  while (!reader.at_end()) {
    MethodResult result;
    result.method = reader.word();
    if (result.method.empty()) return invalid("method expected");
    if (reader.take('/')) {
      const auto version = reader.number();
      if (!version) return invalid("method version expected");
      result.version = *version;
    }
    if (!reader.take('=')) {
      // no-result stands alone
      if (result.method != "none" || !out.results.empty()) return invalid("\"=\" expected");
      if (reader.take(';') || reader.at_end()) return {};
      return invalid("more than none");
    }
    result.result = reader.word();
    if (result.result.empty()) return invalid("result expected");
    if (auto read = read_properties(reader, result); !read) return read;
    if (out.results.size() == limits::results_max) return fail(ErrorKind::too_large, "too many results");
    out.results.push_back(std::move(result));
  }
  return {};
}

Result<AuthenticationResults> read_payload(Reader& reader, unsigned instance) {
  AuthenticationResults out;
  out.instance = instance;
  auto id = reader.value();
  if (!id || id->empty()) return invalid("authserv-id expected");
  out.authserv_id = *std::move(id);
  if (!reader.at_end() && !reader.take(';')) {
    const auto version = reader.number();
    if (!version) return invalid("\";\" expected");
    out.version = *version;
    if (!reader.at_end() && !reader.take(';')) return invalid("\";\" expected");
  }
  if (out.version == 1) {
    if (auto read = read_results(reader, out); !read) return std::unexpected(std::move(read).error());
  }
  if (reader.failed()) return invalid("comment without end");
  return out;
}

bool is_same_id(std::string_view a, std::string_view b) {
  if (a.ends_with('.')) a.remove_suffix(1);
  if (b.ends_with('.')) b.remove_suffix(1);
  if (iequals(a, b)) return true;
  const auto first = codec::to_ascii_domain(a);
  return first && first == codec::to_ascii_domain(b);
}

// All before the first ";" that is not in a comment, without comments, quotes, backslashes and white space.
std::string squeezed_id(std::string_view value) {
  std::string out;
  std::size_t depth = 0;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    if (c == '\\') continue;
    if (c == '(') ++depth;
    if (depth == 0) {
      if (c == ';') break;
      if (c != '"' && static_cast<unsigned char>(c) > ' ') out += c;
    }
    if (c == ')' && depth != 0) --depth;
  }
  return out;
}

}  // namespace

std::string_view MethodResult::property(std::string_view type, std::string_view name) const noexcept {
  for (const ResultProperty& each : properties) {
    if (each.type == type && each.name == name) return each.value;
  }
  return {};
}

std::string format_authentication_results(const AuthenticationResults& results) {
  FoldedField out(results.instance == 0 ? "Authentication-Results" : "ARC-Authentication-Results");
  if (results.instance != 0) out.word(format("i={};", results.instance));
  const std::string id = value_text(results.authserv_id);
  out.word(results.version == 1 ? id + ';' : format("{} {};", id, results.version));
  if (results.results.empty()) out.word("none");
  for (const MethodResult& result : results.results) write_result(out, result, &result == &results.results.back() ? "" : ";");
  return out.take();
}

Result<AuthenticationResults> parse_authentication_results(std::string_view value) {
  if (value.size() > limits::results_octets_max) return fail(ErrorKind::too_large, "field too long");
  Reader reader(value);
  return read_payload(reader, 0);
}

Result<AuthenticationResults> parse_arc_authentication_results(std::string_view value) {
  if (value.size() > limits::results_octets_max) return fail(ErrorKind::too_large, "field too long");
  Reader reader(value);
  if (reader.word() != "i" || !reader.take('=')) return invalid("instance expected");
  const auto instance = reader.number();
  if (!instance || *instance == 0 || !reader.take(';')) return invalid("instance expected");
  return read_payload(reader, *instance);
}

bool claims_authserv_id(std::string_view value, std::string_view authserv_id) {
  Reader reader(value);
  if (const auto id = reader.value(); id && is_same_id(*id, authserv_id)) return true;
  std::string squeezed = squeezed_id(value);
  if (is_same_id(squeezed, authserv_id)) return true;
  while (!squeezed.empty() && is_digit(squeezed.back())) squeezed.pop_back();  // its version
  return is_same_id(squeezed, authserv_id);
}

std::vector<FieldSpan> forged_authentication_results(std::string_view header, std::string_view authserv_id) {
  std::vector<FieldSpan> spans;
  mime::HeaderReader reader(header);
  while (const auto field = reader.next()) {
    if (!iequals(field->name, "authentication-results")) continue;
    const auto parsed = parse_authentication_results(field->value);
    if (parsed && parsed->version == 1 && !claims_authserv_id(field->value, authserv_id)) continue;
    spans.push_back({static_cast<std::size_t>(field->raw.data() - header.data()), field->raw.size()});
  }
  return spans;
}

}  // namespace keystonemail::mailauth
