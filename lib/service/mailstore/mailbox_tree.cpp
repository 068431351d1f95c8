// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/mailstore/mailbox_tree.hpp"

#include <algorithm>
#include <cassert>
#include <unordered_map>

#include "codec/nfc.hpp"
#include "keystonemail/base/text.hpp"
#include "service/mailstore/kept_names.hpp"

namespace keystonemail::service {

namespace {

namespace names = mailstore::limits;

bool is_name_character(char32_t c) noexcept {
  if (c < 0x20 || (c >= 0x7f && c < 0xa0)) return false;      // C0, DEL, C1
  if (c == 0x2028 || c == 0x2029 || c == 0xfeff) return false;  // line and paragraph separators, byte order mark
  return (c & 0xfffe) != 0xfffe;                               // noncharacters
}

Result<void> check_level(std::string_view name) {
  if (name.empty()) return fail(ErrorKind::invalid, "mailbox name has an empty level");
  if (name.size() > names::mailbox_name_octets_max) return fail(ErrorKind::too_large, "mailbox name too long");
  while (!name.empty()) {
    const auto c = decode_utf8(name);
    if (!c || !is_name_character(c->value)) return fail(ErrorKind::invalid, "mailbox name has a forbidden character");
    name.remove_prefix(c->octets);
  }
  return {};
}

using Objects = std::unordered_map<std::uint32_t, MailboxObject>;

std::string path_of(const Objects& objects, const MailboxObject& object) {
  std::string path = object.name;
  std::uint32_t parent = object.parent;
  for (std::size_t depth = 0; parent != 0 && depth < names::mailbox_depth_max; ++depth) {
    const auto at = objects.find(parent);
    if (at == objects.end()) break;  // verify() reports it
    path.insert(0, 1, names::hierarchy_separator).insert(0, at->second.name);
    parent = at->second.parent;
  }
  return path;
}

Task<Result<Objects>> read_objects(kv::Reader& reader, const StoreCore& core, mailstore::AccountId account) {
  Objects objects;
  Key first(account);
  const Key end = first.after_prefix();
  for (;;) {
    const kv::Range range{.first = first, .end = end};
    KM_CO_TRY(const auto rows, co_await reader.scan(core.tables.mailbox, range));
    for (const kv::Row& row : rows) {
      auto object = MailboxObject::read(row.value);
      if (!object) co_return damaged("mailbox");
      objects.emplace(static_cast<std::uint32_t>(key_number(row.key, 4, 4)), *std::move(object));
    }
    if (rows.size() < range.rows_max) co_return objects;
    first = Key(account, static_cast<std::uint32_t>(key_number(rows.back().key, 4, 4)) + 1);
  }
}

}  // namespace

Result<std::vector<std::string>> split_path(std::string_view given) {
  const auto normal = codec::to_nfc(given);  // RFC 9051 §5.1, RFC 5198 §2
  if (!normal) return fail(ErrorKind::invalid, "mailbox name is not UTF-8");
  std::string_view path = *normal;
  std::vector<std::string> levels;
  for (;;) {
    const std::size_t at = path.find(names::hierarchy_separator);
    const std::string_view level = path.substr(0, at);
    KM_CHECK(check_level(level));
    levels.emplace_back(level);
    if (levels.size() > names::mailbox_depth_max) return fail(ErrorKind::too_large, "mailbox too deep");
    if (at == std::string_view::npos) break;
    path.remove_prefix(at + 1);
  }
  if (iequals(levels.front(), "INBOX")) levels.front() = "INBOX";  // RFC 9051 §5.1
  return levels;
}

const mailstore::Mailbox* MailboxTree::find(mailstore::MailboxId id) const noexcept {
  const auto at = std::ranges::find(mailboxes, id, &mailstore::Mailbox::id);
  return at == mailboxes.end() ? nullptr : &*at;
}

const mailstore::Mailbox* MailboxTree::find_path(std::string_view path) const noexcept {
  const auto at = std::ranges::lower_bound(mailboxes, path, {}, [](const auto& m) { return std::string_view(m.path); });
  return at == mailboxes.end() || at->path != path ? nullptr : &*at;
}

const mailstore::Mailbox* MailboxTree::find_role(mailstore::Role role) const noexcept {
  const auto at = std::ranges::find(mailboxes, role, &mailstore::Mailbox::role);
  return at == mailboxes.end() ? nullptr : &*at;
}

bool MailboxTree::has_children(mailstore::MailboxId id) const noexcept {
  return std::ranges::any_of(mailboxes, [id](const auto& m) { return m.parent == id; });
}

mailstore::Mailbox to_mailbox(mailstore::MailboxId id, const MailboxObject& object, const MailboxRow& row) {
  mailstore::Mailbox m;
  m.id = id;
  if (object.parent != 0) m.parent = mailstore::MailboxId{object.parent};
  m.name = object.name;
  m.role = object.role;
  m.subscribed = object.subscribed;
  m.modseq = object.modseq;
  m.uid_validity = row.uid_validity;
  m.uid_next = row.uid_next;
  m.highest_modseq = row.highest_modseq;
  m.messages = row.messages;
  m.unseen = row.unseen;
  m.deleted = row.deleted;
  m.octets = row.octets_total;
  return m;
}

MailboxObject to_object(const mailstore::Mailbox& m) {
  return {m.parent ? static_cast<std::uint32_t>(*m.parent) : 0, m.role, m.subscribed, m.modseq, m.name};
}

void put_object(kv::Transaction& t, const StoreCore& core, mailstore::AccountId account, mailstore::MailboxId mailbox,
                const MailboxObject& object) {
  t.put(core.tables.mailbox, Key(account, mailbox), object.encode());
}

Task<Result<MailboxTree>> read_tree(kv::Reader& reader, const StoreCore& core, mailstore::AccountId account) {
  KM_CO_CHECK(co_await get_account(reader, core, account));
  KM_CO_TRY(const auto objects, co_await read_objects(reader, core, account));
  MailboxTree tree;
  Key first(account, std::uint32_t{1});
  const Key end = Key(account).after_prefix();
  for (;;) {
    const kv::Range range{.first = first, .end = end};
    KM_CO_TRY(const auto rows, co_await reader.scan(core.tables.counter, range));
    for (const kv::Row& row : rows) {
      const auto id = static_cast<std::uint32_t>(key_number(row.key, 4, 4));
      const auto counts = read_row<MailboxRow>(row.value);
      const auto object = objects.find(id);
      if (!counts) co_return damaged("mailbox");
      if (object == objects.end()) continue;  // verify() reports it
      tree.mailboxes.push_back(to_mailbox(mailstore::MailboxId{id}, object->second, *counts));
      tree.mailboxes.back().path = path_of(objects, object->second);
    }
    if (rows.size() < range.rows_max) break;
    first = Key(account, static_cast<std::uint32_t>(key_number(rows.back().key, 4, 4)) + 1);
  }
  std::ranges::sort(tree.mailboxes, {}, &mailstore::Mailbox::path);
  co_return tree;
}

Task<Result<std::shared_ptr<const MailboxPaths>>> read_paths(kv::Reader& reader, const StoreCore& core,
                                                             mailstore::AccountId account) {
  KM_CO_TRY(const AccountRow row, co_await get_account(reader, core, account));
  KM_CO_TRY(const auto objects, co_await read_objects(reader, core, account));
  auto made = std::make_shared<MailboxPaths>();
  made->modseq = row.tree_modseq;
  made->paths.reserve(objects.size());
  for (const auto& [id, object] : objects) made->paths.emplace_back(path_of(objects, object), mailstore::MailboxId{id});
  std::ranges::sort(made->paths);
  co_return std::shared_ptr<const MailboxPaths>(std::move(made));
}

Task<Result<std::string>> mailbox_path(kv::Reader& reader, const StoreCore& core, mailstore::AccountId account,
                                       mailstore::MailboxId mailbox) {
  std::string path;
  auto id = static_cast<std::uint32_t>(mailbox);
  for (std::size_t depth = 0; id != 0 && depth < names::mailbox_depth_max; ++depth) {
    KM_CO_TRY(const auto value, co_await reader.get(core.tables.mailbox, Key(account, id)));
    const auto object = value ? MailboxObject::read(*value) : std::nullopt;
    if (!object) break;  // verify() reports it
    if (!path.empty()) path.insert(0, 1, names::hierarchy_separator);
    path.insert(0, object->name);
    id = object->parent;
  }
  co_return path;
}

std::uint32_t next_uid_validity(AccountRow& account, std::int64_t now) noexcept {
  const auto seconds = static_cast<std::uint64_t>(std::max<std::int64_t>(now / 1000, 1));
  const std::uint64_t next = std::max<std::uint64_t>(account.uid_validity_last + std::uint64_t{1}, seconds);
  account.uid_validity_last = static_cast<std::uint32_t>(std::min<std::uint64_t>(next, UINT32_MAX));
  return account.uid_validity_last;
}

Task<Result<mailstore::Mailbox>> make_mailbox(kv::Transaction& t, const StoreCore& core,
                                                mailstore::AccountId account_id, AccountRow& account,
                                                MailboxRequest request) {
  KM_CO_TRY(const auto tree, co_await read_tree(t, core, account_id));
  if (request.role != mailstore::Role::none && tree.find_role(request.role)) {
    co_return fail(ErrorKind::conflict, "another mailbox has this special use");
  }
  if (tree.mailboxes.size() + request.levels.size() > mailstore::limits::mailboxes_per_account_max) {
    co_return fail(ErrorKind::too_large, "too many mailboxes");
  }
  KM_CO_TRY(KeptNames kept, co_await KeptNames::read(t, core, account_id));
  std::uint32_t parent = 0;
  std::optional<mailstore::Mailbox> made;
  std::string path;
  for (std::size_t i = 0; i < request.levels.size(); ++i) {
    if (i > 0) path.push_back(mailstore::limits::hierarchy_separator);
    path += request.levels[i];
    if (const auto* there = tree.find_path(path)) {
      parent = static_cast<std::uint32_t>(there->id);
      continue;
    }
    const bool last = i + 1 == request.levels.size();
    if (!made) account.tree_modseq = ++account.modseq;
    const bool subscribed = kept.take(t, path) || request.subscribed;
    const MailboxObject object{parent, last ? request.role : mailstore::Role::none, subscribed, account.modseq,
                         request.levels[i]};
    MailboxRow row;
    row.uid_validity = next_uid_validity(account, request.now);
    row.highest_modseq = account.modseq;
    parent = ++account.mailbox_last;
    put_object(t, core, account_id, mailstore::MailboxId{parent}, object);
    put_mailbox(t, core, account_id, mailstore::MailboxId{parent}, row);
    made = to_mailbox(mailstore::MailboxId{parent}, object, row);
  }
  if (!made) co_return fail(ErrorKind::conflict, "mailbox exists");
  put_account(t, core, account_id, account);
  made->path = std::move(path);
  co_return *std::move(made);
}

}  // namespace keystonemail::service
