// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <algorithm>

#include "base/format.hpp"
#include "commands/commands.hpp"
#include "keystonemail/codec/idna.hpp"
#include "keystonemail/mime/date.hpp"
#include "server/stores.hpp"

namespace keystonemail::host {
namespace {

std::string kind_of(const DkimKey& key) {
  return key.key.type() == crypto::KeyType::rsa ? "rsa-" + std::to_string(key.key.bits()) : "ed25519";
}

std::string since(const DkimKey& key) { return mime::format_date({key.changed, std::chrono::minutes(0)}); }

std::string json_of(const std::vector<DkimKey>& keys) {
  std::string out = "[";
  for (const DkimKey& key : keys) {
    format_to(out, "{}{{\"domain\":{},\"selector\":{},\"key\":{},\"state\":{},\"since\":{},\"record\":{}}}", out.size() > 1 ? "," : "", json_text(key.domain),
              json_text(key.selector), json_text(kind_of(key)), json_text(to_string(key.state)), json_text(since(key)), json_text(zone_line(key)));
  }
  return out + "]\n";
}

std::string table_of(const std::vector<DkimKey>& keys) {
  std::size_t domain_width = 6, selector_width = 8;
  for (const DkimKey& key : keys) {
    domain_width = std::max(domain_width, key.domain.size());
    selector_width = std::max(selector_width, key.selector.size());
  }
  std::string out;
  format_to(out, "{:<{}}  {:<{}}  {:<8}  {:<6}  {}\n", "DOMAIN", domain_width, "SELECTOR", selector_width, "KEY", "STATE", "SINCE");
  for (const DkimKey& key : keys) {
    format_to(out, "{:<{}}  {:<{}}  {:<8}  {:<6}  {}\n", key.domain, domain_width, key.selector, selector_width, kind_of(key), to_string(key.state),
              since(key));
  }
  return out;
}

std::string records_of(const std::vector<DkimKey>& keys) {
  std::string out;
  for (const DkimKey& key : keys) out += zone_line(key) + "\n";
  return out;
}

AdminReply changed(const Result<std::vector<DkimKey>>& keys) {
  if (!keys) return failed(keys.error());
  const bool waits = std::ranges::any_of(*keys, [](const DkimKey& key) { return key.state == KeyState::next; });
  std::string text = "; Publish these records in the zone.\n" + records_of(*keys);
  text += waits ? "; They are not used yet. When the DNS has them, say dkim rotate again: they take over, and the old ones retire.\n"
                : "; Mail from this domain is signed with these keys from now on.\n; Leave the records of older keys in the zone for eight days.\n";
  return {.status = 0, .text = std::move(text), .json = json_of(*keys), .error = {}, .warning = {}};
}

}  // namespace

Task<AdminReply> administer_dkim(Stores& stores, AdminRequest request, Context context) {
  if (!stores.dkim) co_return failed(Error(ErrorKind::unavailable, "this server keeps no keys"));
  DkimKeys& keys = *stores.dkim;
  if (request.verb == "generate") co_return changed(keys.generate(request.arguments.at(0), context.executor->wall_now()));
  if (request.verb == "rotate") co_return changed(keys.rotate(request.arguments.at(0), context.executor->wall_now()));
  std::vector<DkimKey> wanted = keys.list();
  if (!request.arguments.empty()) {
    const std::string domain = codec::to_ascii_domain(request.arguments[0]).value_or(request.arguments[0]);
    std::erase_if(wanted, [&](const DkimKey& key) { return key.domain != domain; });
  }
  const bool publish = request.verb == "publish";
  if (publish && wanted.empty()) co_return failed(Error(ErrorKind::not_found, request.arguments.at(0) + " has no keys: make some with dkim generate"));
  AdminReply reply;
  reply.text = publish ? records_of(wanted) : wanted.empty() ? "No keys. Make some with: keystone-mail dkim generate DOMAIN\n" : table_of(wanted);
  reply.json = json_of(wanted);
  co_return reply;
}

}  // namespace keystonemail::host
