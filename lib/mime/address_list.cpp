// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mime/address_list.hpp"

#include <utility>

#include "keystonemail/base/text.hpp"
#include "keystonemail/mime/encoded_word.hpp"
#include "keystonemail/mime/limits.hpp"
#include "mime/scanner.hpp"

namespace keystonemail::mime {
namespace {

class AddressListParser {
 public:
  explicit AddressListParser(std::string_view value) noexcept : scanner_(value) {}

  std::vector<ListedAddress> parse() {
    while (addresses_.size() < limits::addresses_max) {
      comment_.clear();
      scanner_.skip_cfws(&comment_);
      if (scanner_.at_end()) break;
      if (scanner_.take(',')) continue;
      if (scanner_.take(';')) {
        end_group();
        continue;
      }
      parse_entry();
    }
    end_group();
    return std::move(addresses_);
  }

 private:
  // address = mailbox / group, told apart by what follows the words it begins with.
  void parse_entry() {
    const std::size_t begin = scanner_.position();
    phrase_.clear();
    local_part_.clear();
    take_words();
    if (scanner_.take(':') && !in_group_) return begin_group();
    if (scanner_.take('<')) return take_angle_address(std::move(phrase_));
    if (scanner_.take('@')) return take_bare_address(begin);
    if (phrase_.empty()) return;
    // Words alone: a local name such as "root", or somebody's name.
    const bool one_word = phrase_.find(' ') == std::string::npos;
    if (one_word) add({AddressKind::mailbox, comment_, {}, std::move(phrase_), {}});
    else add({AddressKind::mailbox, std::move(phrase_), {}, {}, {}});
  }

  // Words of a phrase or local part: for the one with a blank where there is one, for the other without.
  void take_words() {
    bool blank_before = false;
    while (!scanner_.at_end()) {
      const char c = scanner_.peek();
      if (c == '<' || c == '@' || c == ',' || c == ';' || (c == ':' && !in_group_)) return;
      if (blank_before && !phrase_.empty()) phrase_.push_back(' ');
      const std::size_t word_begin = phrase_.size();
      if (c == '"') {
        scanner_.take_quoted(phrase_);
      } else if (const auto word = scanner_.take_until(atom_ends); !word.empty()) {
        phrase_ += word;
      } else {  // a special out of place, or a control: it is text
        phrase_.push_back(c);
        scanner_.move_to(scanner_.position() + 1);
      }
      local_part_.append(phrase_, word_begin);
      const std::size_t before = scanner_.position();
      scanner_.skip_cfws(&comment_);
      blank_before = scanner_.position() != before;
    }
  }

  // angle-addr = "<" [obs-route] addr-spec ">"; the bracket is taken.
  void take_angle_address(std::string name) {
    ListedAddress entry;
    entry.name = std::move(name);
    scanner_.skip_cfws();
    take_route(entry.route);
    while (!scanner_.at_end()) {
      const char c = scanner_.peek();
      if (c == '@' || c == '>' || c == ',') break;
      if (c == '"') {
        scanner_.take_quoted(entry.local_part);
      } else if (const auto word = scanner_.take_until(atom_ends); !word.empty()) {
        entry.local_part += word;
      } else {
        entry.local_part.push_back(c);
        scanner_.move_to(scanner_.position() + 1);
      }
      scanner_.skip_cfws();
    }
    if (scanner_.take('@')) entry.domain = take_domain();
    while (!scanner_.at_end() && scanner_.peek() != '>' && scanner_.peek() != ',')
      scanner_.move_to(scanner_.position() + 1);
    scanner_.take('>');
    scanner_.skip_cfws(&comment_);
    if (entry.name.empty()) entry.name = comment_;
    if (!entry.name.empty() || !entry.local_part.empty()) add(std::move(entry));
  }

  // RFC 5322 §4.4  obs-route = *(CFWS / ",") "@" domain *("," [CFWS] ["@" domain]) ":"
  void take_route(std::string& route) {
    const std::size_t begin = scanner_.position();
    while (scanner_.take('@') || scanner_.take(',')) {
      const auto domain = take_domain();
      if (domain.empty()) continue;
      if (!route.empty()) route.push_back(',');
      route += '@' + domain;
    }
    if (scanner_.take(':')) return scanner_.skip_cfws();
    if (route.empty()) return;
    scanner_.move_to(begin);  // no route after all
    route.clear();
  }

  // addr-spec without brackets; words and "@" are taken.
  void take_bare_address(std::size_t begin) {
    ListedAddress entry;
    entry.local_part = std::move(local_part_);
    entry.domain = take_domain();
    scanner_.skip_cfws(&comment_);
    if (scanner_.peek() == '<') {
      // LENIENT: an address as the name of an address, without quotes: user@example.com <user@example.com>
      const std::string name(trim(scanner_.between(begin, scanner_.position())));
      scanner_.take('<');
      return take_angle_address(name);
    }
    entry.name = comment_;
    add(std::move(entry));
    while (!scanner_.at_end() && scanner_.peek() != ',' && scanner_.peek() != ';')
      scanner_.move_to(scanner_.position() + 1);  // what follows an address makes no sense
  }

  // Domain or domain-literal, comments and blanks removed.
  std::string take_domain() {
    std::string domain;
    scanner_.skip_cfws();
    if (scanner_.peek() == '[') {
      while (!scanner_.at_end()) {
        const char c = scanner_.peek();
        scanner_.move_to(scanner_.position() + 1);
        if (!is_blank(c)) domain.push_back(c);
        if (c == ']') break;
      }
    } else {
      while (true) {
        const auto atom = scanner_.take_until(atom_ends);
        if (atom.empty() || (!domain.empty() && !domain.ends_with('.') && !atom.starts_with('.'))) break;
        domain += atom;
        scanner_.skip_cfws(&comment_);
      }
    }
    return domain;
  }

  void begin_group() {
    in_group_ = true;
    add({AddressKind::group_begin, std::move(phrase_), {}, {}, {}});
  }
  void end_group() {
    if (in_group_) add({AddressKind::group_end, {}, {}, {}, {}});
    in_group_ = false;
  }
  void add(ListedAddress entry) { addresses_.push_back(std::move(entry)); }

  Scanner scanner_;
  std::vector<ListedAddress> addresses_;
  std::string phrase_, local_part_, comment_;
  bool in_group_ = false;
};

}  // namespace

std::string ListedAddress::display_name() const { return decode_text(name); }

std::optional<Address> ListedAddress::address() const {
  if (kind != AddressKind::mailbox) return std::nullopt;
  return Address::make(local_part, domain);
}

std::vector<ListedAddress> parse_address_list(std::string_view value) { return AddressListParser(value).parse(); }

}  // namespace keystonemail::mime
