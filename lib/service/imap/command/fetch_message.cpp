// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/imap/command/fetch_message.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "keystonemail/mime/header.hpp"
#include "keystonemail/mime/section.hpp"
#include "service/imap/session.hpp"

namespace keystonemail::service::imap {

namespace {

using engine::FetchAttribute;
using engine::FetchItem;
using engine::SectionPart;

constexpr std::uint64_t header_octets_max = 1024 * 1024;  // that are filtered; mime looks at no more either
constexpr std::size_t yield_octets_min = 16 * 1024;
constexpr std::size_t uncopied_octets_min = 32 * 1024;    // a call for it alone costs less than copying it

// RFC 9051 §4.3: NUL may stand in a literal8 alone, which only BINARY may be. Its place is taken, so that sizes stay, by an octet
// that neither ASCII nor UTF-8 has.
constexpr char nul_stand_in = '\x80';

struct Stretch {
  std::uint64_t offset = 0, octets = 0;
};

// What is left of `whole` after "<offset.octets>"; past the end that is nothing (RFC 9051 §6.4.5).
Stretch cut(Stretch whole, const std::optional<engine::Partial>& partial) noexcept {
  if (!partial) return whole;
  const std::uint64_t skipped = std::min(whole.octets, partial->offset);
  return {whole.offset + skipped, std::min(whole.octets - skipped, partial->octets)};
}

std::optional<Stretch> find(std::span<const mime::SummaryPart> parts, const engine::Section& section, std::uint64_t octets) {
  if (section.path.empty() && section.part == SectionPart::all) return Stretch{0, octets};
  auto text = mime::SectionText::all;
  if (section.part == SectionPart::text) text = mime::SectionText::text;
  if (section.part == SectionPart::mime) text = mime::SectionText::mime;
  if (section.part == SectionPart::header || section.part == SectionPart::header_fields ||
      section.part == SectionPart::header_fields_not) {
    text = mime::SectionText::header;
  }
  const auto span = mime::find_section(parts, section.path, text);
  if (!span) return std::nullopt;
  const std::uint64_t begin = std::min<std::uint64_t>(span->offset, octets);
  return Stretch{begin, std::min<std::uint64_t>(span->octets, octets - begin)};
}

bool is_filtered(SectionPart part) noexcept {
  return part == SectionPart::header_fields || part == SectionPart::header_fields_not;
}

// One item on its way out.
class SectionWriter {
 public:
  SectionWriter(Session& session, MessageSource& source, const FetchItem& item, Nul nul)
      : session_(session), source_(source), item_(item), nul_(nul) {}

  Task<SectionOutcome> stored(Stretch stretch) {
    const auto at_hand = source_.at_hand(stretch.offset, stretch.octets);
    if (at_hand.size() == stretch.octets && at_hand.size() < uncopied_octets_min) {
      session_.out().section(item_, sendable(at_hand));
      co_return SectionOutcome::written;
    }
    // The first piece comes before the literal is announced: until then a failure can still be told.
    auto piece = co_await source_.read(stretch.offset, stretch.octets, session_.working());
    if (!piece || piece->empty()) co_return nil(piece);
    session_.out().begin_section(item_, stretch.octets);
    for (;;) {
      stretch = {stretch.offset + piece->size(), stretch.octets - piece->size()};
      const std::string_view octets = sendable(*piece);
      if (octets.size() >= uncopied_octets_min) {
        if (!co_await session_.flush_with(octets)) co_return SectionOutcome::failed;
      } else {
        session_.out().append(octets);
        if (session_.output_full() && !co_await session_.flush()) co_return SectionOutcome::failed;
      }
      if (stretch.octets == 0) co_return SectionOutcome::written;
      piece = co_await source_.read(stretch.offset, stretch.octets, session_.working());
      if (!piece || piece->empty()) co_return give_up(piece);
    }
  }

  Task<SectionOutcome> filtered(Stretch header) {
    std::string text;
    header.octets = std::min(header.octets, header_octets_max);
    while (text.size() < header.octets) {
      const auto piece = co_await source_.read(header.offset + text.size(), header.octets - text.size(), session_.working());
      if (!piece) co_return nil(piece);
      if (piece->empty()) break;
      text += *piece;
    }
    if (text.size() >= yield_octets_min) co_await yield(*session_.working().executor);  // others wait for one such header at most
    const std::vector<std::string_view> names(item_.section.fields.begin(), item_.section.fields.end());
    const auto filter = item_.section.part == SectionPart::header_fields ? mime::FieldFilter::only : mime::FieldFilter::except;
    const std::string result = mime::filter_header(text, filter, names);
    const Stretch left = cut({0, result.size()}, item_.partial);
    session_.out().section(item_, sendable(std::string_view(result).substr(left.offset, left.octets)));
    co_return SectionOutcome::written;
  }

  // RFC 3516: decoded, lines of text ending in CR LF whatever was encoded (§6). The size has to be told first, so the part is
  // decoded twice, which is cheaper than keeping it.
  enum class Content : std::uint8_t { lines, octets };
  Task<SectionOutcome> decoded(Stretch body, mime::TransferEncoding encoding, Content content) {
    if (encoding == mime::TransferEncoding::unknown) {
      write_nothing();
      co_return SectionOutcome::unknown_encoding;
    }
    std::uint64_t octets = 0;
    bool nul = false;
    const auto measured = co_await decode(body, encoding, content, [&](std::string_view piece) {
      octets += piece.size();
      nul = nul || piece.find('\0') != std::string_view::npos;
    });
    if (!measured) co_return nil(measured);
    if (item_.attribute == FetchAttribute::binary_size) {
      session_.out().binary_size(item_, octets);
      co_return SectionOutcome::written;
    }
    Stretch left = cut({0, octets}, item_.partial);
    session_.out().begin_section(item_, left.octets, nul ? engine::LiteralKind::literal8 : engine::LiteralKind::literal);
    const auto written = co_await decode(body, encoding, content, [&](std::string_view piece) {
      const std::size_t skipped = std::min<std::uint64_t>(left.offset, piece.size());
      piece = piece.substr(skipped, left.octets);
      left = {left.offset - skipped, left.octets - piece.size()};
      if (!piece.empty()) session_.out().append(piece);
    });
    if (!written || left.octets != 0) co_return give_up(written);
    co_return SectionOutcome::written;
  }

  SectionOutcome absent() {
    write_nothing();
    return SectionOutcome::written;
  }

 private:
  // As text: the octets themselves, or where NUL may be among them a copy without, good until the next.
  std::string_view sendable(std::string_view octets) {
    if (nul_ == Nul::none || octets.find('\0') == std::string_view::npos) return octets;
    without_nul_ = octets;
    std::ranges::replace(without_nul_, '\0', nul_stand_in);
    return without_nul_;
  }

  template <class Take>
  Task<Result<std::string_view>> decode(Stretch body, mime::TransferEncoding encoding, Content content, Take take) {
    mime::ContentDecoder decoder(encoding);
    std::string piece;
    char last = 0;
    const auto end_lines = [&] {
      if (content == Content::octets || piece.empty()) return;
      std::string lines;
      for (const char c : piece) {
        if (c == '\n' && last != '\r') lines += '\r';
        lines += last = c;
      }
      piece.swap(lines);
    };
    while (body.octets != 0) {
      const auto raw = co_await source_.read(body.offset, body.octets, session_.working());
      if (!raw) co_return raw;
      if (raw->empty()) break;
      body = {body.offset + raw->size(), body.octets - raw->size()};
      piece.clear();
      decoder.append(piece, *raw);
      end_lines();
      take(piece);
      if (session_.output_full() && !co_await session_.flush()) co_return fail(ErrorKind::cancelled);
    }
    piece.clear();
    decoder.finish(piece);
    end_lines();
    take(piece);
    co_return std::string_view();
  }

  void write_nothing() {
    if (item_.attribute == FetchAttribute::binary_size) {
      session_.out().binary_size(item_, 0);
    } else {
      session_.out().section_nil(item_);
    }
  }
  SectionOutcome nil(const Result<std::string_view>& cause) {
    if (!cause) session_.log_error("imap.fetch.failed", cause.error());
    write_nothing();
    return SectionOutcome::failed;
  }
  // In the middle of a literal nothing but its octets can be sent: the connection has to end.
  SectionOutcome give_up(const Result<std::string_view>& cause) {
    if (!cause) session_.log_error("imap.fetch.failed", cause.error());
    session_.abandon();
    return SectionOutcome::failed;
  }

  Session& session_;
  MessageSource& source_;
  const FetchItem& item_;
  const Nul nul_;
  std::string without_nul_;
};

}  // namespace

Task<SectionOutcome> write_section(Session& session, MessageSource& source, std::span<const mime::SummaryPart> parts,
                                   const FetchItem& item, Nul nul) {
  SectionWriter writer(session, source, item, nul);
  const auto found = find(parts, item.section, source.octets());
  if (item.attribute == FetchAttribute::section) {
    if (!found) co_return writer.absent();
    if (is_filtered(item.section.part)) co_return co_await writer.filtered(*found);
    co_return co_await writer.stored(cut(*found, item.partial));
  }
  const auto part = mime::find_part(parts, item.section.path);
  if (!found || !part) co_return writer.absent();
  const bool whole = item.section.path.empty() || parts[*part].kind != mime::PartKind::leaf;
  const auto encoding = whole ? mime::TransferEncoding::binary : parts[*part].encoding;
  const bool text = !whole && parts[*part].type == "text";
  co_return co_await writer.decoded(*found, encoding, text ? SectionWriter::Content::lines : SectionWriter::Content::octets);
}

}  // namespace keystonemail::service::imap
