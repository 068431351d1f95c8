// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/reception/list_fields.hpp"

#include <algorithm>
#include <array>
#include <span>

#include "keystonemail/base/text.hpp"
#include "keystonemail/mailauth/dkim/signature.hpp"
#include "keystonemail/mime/address.hpp"
#include "keystonemail/mime/header.hpp"

namespace keystonemail::reception {
namespace {

constexpr std::array<std::string_view, 4> added{"list-id", "list-post", "list-help", "list-owner"};

constexpr std::string_view owner_prefix = "owner-";  // whom the directory leads to whoever looks after the list

bool covers(std::string_view signature, std::span<const std::string_view> names) {
  const auto read = mailauth::dkim::read_signature(signature);
  return std::ranges::any_of(read.signature.fields, [&](const auto& name) { return std::ranges::find(names, name) != names.end(); });
}

// RFC 2919 §2: letters of a dot-atom, none of them special in an address.
bool is_label_text(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '_' || c == '.'; }) && !text.empty() &&
         text.front() != '.' && text.back() != '.' && text.find("..") == std::string_view::npos;
}

}  // namespace

bool is_signed(std::string_view header, std::string_view name) {
  mime::HeaderReader reader(header);
  while (const auto field = reader.next())
    if (field->id == mime::FieldName::dkim_signature && covers(field->value, {&name, 1})) return true;
  return false;
}

std::string list_fields(std::string_view address, std::string_view header) {
  const auto list = mime::Address::parse(address);
  if (!list || !is_label_text(list->local_part())) return {};
  mime::HeaderReader reader(header);
  while (const auto field = reader.next()) {
    if (iequals(field->name, "List-Id")) return {};
    if (field->id == mime::FieldName::dkim_signature && covers(field->value, added)) return {};
  }
  const std::string owner = std::string(owner_prefix) + list->local_part() + "@" + list->domain();
  return "List-Id: <" + list->local_part() + "." + list->domain() + ">\r\nList-Post: <mailto:" + list->to_string() + ">\r\nList-Help: <mailto:" + owner +
         "?subject=help>\r\nList-Owner: <mailto:" + owner + ">\r\n";
}

}  // namespace keystonemail::reception
