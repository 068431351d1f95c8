// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/dns/zone.hpp"

#include <algorithm>

#include "keystonemail/dns/message.hpp"

namespace keystonemail::dns {

Zone::Zone(std::vector<Record> records) {
  for (auto& record : records) add(std::move(record));
}

void Zone::add(Record record) {
  for (Name name = record.owner; names_.insert(name).second && !name.is_root();) name = name.parent();
  Name owner = record.owner;
  records_.emplace(std::move(owner), std::move(record));
}

// The owner whose records speak for `name`: itself, or the wildcard below its closest encloser (RFC 4592 §3.3.1).
// Null: there is no such name.
const Name* Zone::closest_owner(const Name& name, Name& wildcard) const {
  if (names_.contains(name)) return &name;
  Name encloser = name;
  while (!encloser.is_root() && !names_.contains(encloser)) encloser = encloser.parent();
  auto star = encloser.prefixed("*");
  if (!star || !names_.contains(*star)) return nullptr;
  wildcard = *std::move(star);
  return &wildcard;
}

const Record* Zone::alias_of(const Name& owner) const {
  const auto [first, last] = records_.equal_range(owner);
  const auto alias = std::find_if(first, last, [](const auto& row) { return std::holds_alternative<Cname>(row.second.data); });
  return alias == last ? nullptr : &alias->second;
}

// That of the SOA of the zone the name is in (RFC 2308 §5).
std::chrono::seconds Zone::denial_ttl(const Name& name) const {
  for (Name at = name;; at = at.parent()) {
    const auto [first, last] = records_.equal_range(at);
    for (auto row = first; row != last; ++row) {
      if (const auto* soa = std::get_if<Soa>(&row->second.data)) return std::chrono::seconds(std::min(row->second.ttl, soa->minimum));
    }
    if (at.is_root()) return std::chrono::seconds(0);
  }
}

Answer Zone::lookup(const Question& question) const {
  Name name = question.name;
  std::chrono::seconds ttl = std::chrono::seconds::max();
  for (std::size_t links = 0; links <= limits::alias_links_max; ++links) {
    Name wildcard;
    const Name* owner = closest_owner(name, wildcard);
    if (owner == nullptr) {
      Answer out = Answer::none(AnswerStatus::no_such_name, name);
      out.ttl = std::min(ttl, denial_ttl(name));
      return out;
    }
    const Record* alias = question.type == RecordType::cname ? nullptr : alias_of(*owner);
    if (alias != nullptr) {
      ttl = std::min(ttl, std::chrono::seconds(alias->ttl));
      name = std::get<Cname>(alias->data).target;
      continue;
    }
    Answer out = Answer::none(AnswerStatus::found, name);
    const auto [first, last] = records_.equal_range(*owner);
    for (auto row = first; row != last; ++row) {
      if (type_of(row->second.data) != question.type) continue;
      ttl = std::min(ttl, std::chrono::seconds(row->second.ttl));
      out.records.push_back(row->second.data);
    }
    if (out.records.empty()) {
      out.status = AnswerStatus::no_data;
      ttl = std::min(ttl, denial_ttl(name));
    }
    out.ttl = ttl;
    return out;
  }
  return Answer::none(AnswerStatus::server_failure, question.name);
}

}  // namespace keystonemail::dns
