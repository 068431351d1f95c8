// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/reception/transaction.hpp"

#include <algorithm>

#include "keystonemail/base/text.hpp"

namespace keystonemail::reception {

void HeaderCollector::feed(std::string_view piece) {
  if (complete_ || too_large_) return;
  const auto end = end_.find(piece);
  const std::string_view taken = piece.substr(0, end.value_or(piece.size()));
  if (header_.size() + taken.size() > octets_max_) {
    too_large_ = true;
    return;
  }
  header_.append(taken);
  complete_ = end.has_value();
}

HeaderFindings inspect_header(std::string_view header) {
  HeaderFindings findings;
  mime::HeaderReader reader(header);
  while (const auto field = reader.next()) {
    switch (field->id) {
      case mime::FieldName::received: ++findings.received; break;
      case mime::FieldName::date: findings.has_date = true; break;
      case mime::FieldName::message_id:
        findings.has_message_id = true;
        if (findings.message_id.empty()) findings.message_id = mime::unfold(field->value);
        break;
      default: break;
    }
  }
  return findings;
}

}  // namespace keystonemail::reception
