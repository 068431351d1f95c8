// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/authentication/fields.hpp"

#include "keystonemail/mime/address_list.hpp"
#include "keystonemail/mime/header.hpp"

namespace keystonemail::authentication {

std::vector<policy::Edit> additions(std::string_view fields) {
  std::vector<policy::Edit> edits;
  mime::HeaderReader reader(fields);
  while (const auto field = reader.next()) {
    std::string_view value = field->value;
    if (value.starts_with(' ')) value.remove_prefix(1);
    edits.emplace_back(policy::AddHeader{std::string(field->name), std::string(value)});
  }
  return edits;
}

std::optional<std::string> author_domain(std::string_view header) {
  std::optional<std::string> domain;
  mime::HeaderReader reader(header);
  while (const auto field = reader.next()) {
    if (field->id != mime::FieldName::from) continue;
    for (const auto& entry : mime::parse_address_list(field->value)) {
      if (entry.kind != mime::AddressKind::mailbox) continue;
      const auto address = entry.address();
      if (domain || !address || address->has_address_literal()) return std::nullopt;
      domain = address->domain();
    }
  }
  return domain;
}

}  // namespace keystonemail::authentication
