// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/policy/draft.hpp"

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "keystonemail/base/text.hpp"
#include "keystonemail/mime/header.hpp"

namespace keystonemail::policy {
namespace {

// RFC 5322 §2.2: printable ASCII but for the colon.
bool is_field_name(std::string_view name) noexcept {
  return !name.empty() && name.size() <= 77 && std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7f && c != ':'; });
}

// RFC 5322 §2.2.3: line ends only where a blank follows, and something to read behind them.
bool is_field_value(std::string_view value) noexcept {
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '\0' || value[i] == '\n') return false;
    if (value[i] != '\r') continue;
    const auto rest = value.substr(i + 1);
    if (rest.size() < 3 || rest[0] != '\n' || (rest[1] != ' ' && rest[1] != '\t')) return false;
    const auto text = rest.find_first_not_of(" \t", 1);
    if (text == std::string_view::npos || rest[text] == '\r') return false;
    i += 2;
  }
  return true;
}

std::optional<std::string> field(std::string_view name, std::string_view value, Lead lead) {
  if (!is_field_name(name) || !is_field_value(value)) return std::nullopt;
  std::string line;
  line.reserve(name.size() + value.size() + 4);
  line.append(name).append(lead == Lead::blank ? ": " : ":").append(value).append("\r\n");
  return line;
}

// A header taken apart. A field that was taken out keeps its place.
class Fields {
 public:
  Fields(std::string_view text, std::size_t top_octets) {
    mime::HeaderReader reader(text);
    while (const auto next = reader.next()) {
      if (reader.octets() <= top_octets) ++top_;
      list_.push_back({.text = std::string(next->raw), .name = next->name.size()});
    }
    if (reader.ended()) end_ = std::string(text.substr(octets()));
  }

  void edit(const AddHeader& addition) {
    auto line = field(addition.name, addition.value, addition.lead);
    if (line) insert(addition.place == Place::top ? added_on_top_++ : list_.size(), addition.name, *std::move(line));
  }
  void edit(const InsertHeader& insertion) {
    auto line = field(insertion.name, insertion.value, insertion.lead);
    if (line) insert(std::min<std::size_t>(insertion.position, list_.size()), insertion.name, *std::move(line));
  }
  void edit(const ChangeHeader& change) {
    auto line = field(change.name, change.value, change.lead);
    if (!line) return;
    const std::size_t at = find(change.name, change.occurrence);
    if (at == list_.size()) return insert(at, change.name, *std::move(line));
    changed(at);
    list_[at] = {.text = *std::move(line), .name = change.name.size()};
  }
  void edit(const RemoveHeader& removal) {
    std::uint32_t seen = 0;
    for (std::size_t i = 0; i < list_.size(); ++i) {
      Field& one = list_[i];
      if (!iequals(one.field_name(), removal.name)) continue;
      if (++seen != removal.occurrence && removal.occurrence != 0) continue;
      if (!one.removed) changed(i);
      one.removed = true;
    }
  }

  [[nodiscard]] bool is_changed() const noexcept { return changed_; }
  [[nodiscard]] bool is_changed_below_top() const noexcept { return changed_below_top_; }
  // The header, and how much of it is on top.
  [[nodiscard]] std::pair<std::string, std::size_t> text() const {
    std::string out;
    out.reserve(octets() + end_.size());
    std::size_t top_octets = 0;
    for (std::size_t i = 0; i < list_.size(); ++i) {
      if (!list_[i].removed) out.append(list_[i].text);
      if (i < top_) top_octets = out.size();
      // A header that came without its last line end.
      if (!list_[i].removed && !list_[i].text.ends_with('\n') && i + 1 < list_.size()) out.append("\r\n");
    }
    return {out + end_, top_octets};
  }

 private:
  struct Field {
    std::string text;
    std::size_t name = 0;
    bool removed = false;
    [[nodiscard]] std::string_view field_name() const noexcept { return std::string_view(text).substr(0, name); }
  };

  [[nodiscard]] std::size_t octets() const noexcept {
    std::size_t sum = 0;
    for (const Field& one : list_) sum += one.text.size();
    return sum;
  }
  void changed(std::size_t at) noexcept {
    changed_ = true;
    changed_below_top_ = changed_below_top_ || at >= top_;
  }
  // Where it is added between what is on top and what came, it is on top.
  void insert(std::size_t at, std::string_view name, std::string line) {
    if (octets() + line.size() > limits::draft_header_octets_max) return;
    const bool on_top = at <= top_ && (at < list_.size() || at == 0);
    list_.insert(list_.begin() + static_cast<std::ptrdiff_t>(at), {.text = std::move(line), .name = name.size()});
    if (on_top) ++top_;
    changed(at);
  }
  // The place of that occurrence; the end when there are fewer.
  [[nodiscard]] std::size_t find(std::string_view name, std::uint32_t occurrence) const noexcept {
    std::uint32_t seen = 0;
    for (std::size_t i = 0; i < list_.size(); ++i) {
      if (iequals(list_[i].field_name(), name) && ++seen == std::max(occurrence, 1U)) return i;
    }
    return list_.size();
  }

  std::vector<Field> list_;
  std::size_t top_ = 0;        // so many of them are on top
  std::size_t added_on_top_ = 0;
  std::string end_;            // the empty line
  bool changed_ = false, changed_below_top_ = false;
};

bool only_adds_on_top(std::span<const Edit> edits) noexcept {
  return std::ranges::all_of(edits, [](const Edit& edit) {
    const auto* added = std::get_if<AddHeader>(&edit);
    return added ? added->place == Place::top : !edits_message(edit);
  });
}

}  // namespace

bool edits_message(const Edit& edit) noexcept {
  return std::holds_alternative<AddHeader>(edit) || std::holds_alternative<InsertHeader>(edit) ||
         std::holds_alternative<ChangeHeader>(edit) || std::holds_alternative<RemoveHeader>(edit) ||
         std::holds_alternative<ReplaceBody>(edit);
}

void Draft::add_on_top(std::span<const Edit> edits) {
  std::string lines;
  for (const Edit& edit : edits) {
    const auto* added = std::get_if<AddHeader>(&edit);
    const auto line = added ? field(added->name, added->value, added->lead) : std::nullopt;
    if (line && text_.size() + lines.size() + line->size() <= limits::draft_header_octets_max) lines += *line;
  }
  if (lines.empty()) return;
  text_.insert(0, lines);
  top_octets_ += lines.size();
  ++revision_;
}

void Draft::apply(std::span<const Edit> edits) {
  if (only_adds_on_top(edits)) return add_on_top(edits);  // most do
  std::optional<Fields> fields;
  for (const Edit& edit : edits) {
    if (!edits_message(edit)) continue;
    if (const auto* replacement = std::get_if<ReplaceBody>(&edit)) {
      if (!replacement->body || !body_) continue;
      body_ = replacement->body;
      ++revision_;
      ++revision_below_top_;
      continue;
    }
    if (!fields) fields.emplace(text_, top_octets_);
    if (const auto* added = std::get_if<AddHeader>(&edit)) fields->edit(*added);
    if (const auto* inserted = std::get_if<InsertHeader>(&edit)) fields->edit(*inserted);
    if (const auto* changed = std::get_if<ChangeHeader>(&edit)) fields->edit(*changed);
    if (const auto* removed = std::get_if<RemoveHeader>(&edit)) fields->edit(*removed);
  }
  if (!fields || !fields->is_changed()) return;
  std::tie(text_, top_octets_) = fields->text();
  ++revision_;
  if (fields->is_changed_below_top()) ++revision_below_top_;
}

}  // namespace keystonemail::policy
