// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "imap/capability.hpp"

#include "imap/wire.hpp"
#include "keystonemail/base/text.hpp"

namespace keystonemail::imap {
namespace {

// RFC 2177 2342 3348 3502 3516 3691 4315 4731 5032 5161 5182 5258 5819 6154 6851 6855 7162 8438 8474 8514 8970.
constexpr std::string_view capabilities_once_authenticated =
    " BINARY CHILDREN CONDSTORE CREATE-SPECIAL-USE ESEARCH IDLE LIST-EXTENDED LIST-STATUS MOVE MULTIAPPEND NAMESPACE"
    " OBJECTID PREVIEW QRESYNC SAVEDATE SEARCHRES SPECIAL-USE STATUS=SIZE UIDPLUS UNSELECT UTF8=ACCEPT WITHIN";

// The first word of `words`, which it is taken from.
std::string_view take_word(std::string_view& words) noexcept {
  words.remove_prefix(std::min(words.find_first_not_of(' '), words.size()));
  const auto word = words.substr(0, words.find(' '));
  words.remove_prefix(word.size());
  return word;
}

}  // namespace

bool offers_mechanism(std::string_view mechanisms, std::string_view mechanism) noexcept {
  for (auto word = take_word(mechanisms); !word.empty(); word = take_word(mechanisms)) {
    if (iequals(word, mechanism)) return true;
  }
  return false;
}

void append_capability(std::string& out, const ServerOptions& options, const Standing& standing) {
  out += "CAPABILITY IMAP4rev1 IMAP4rev2 ID ENABLE SASL-IR";
  out += options.literals == LiteralPolicy::plus ? " LITERAL+" : " LITERAL-";
  if (standing.state == SessionState::not_authenticated) {
    if (options.starttls && !standing.secure) out += " STARTTLS";
    if (!standing.secure && !options.allow_login) out += " LOGINDISABLED";
    auto mechanisms = standing.auth_mechanisms;
    for (auto word = take_word(mechanisms); !word.empty(); word = take_word(mechanisms)) out.append(" AUTH=").append(word);
    return;
  }
  out += capabilities_once_authenticated;
  out += " APPENDLIMIT=";
  append_number(out, options.append_octets_max);
  if (options.compress && !standing.compressing) out += " COMPRESS=DEFLATE";
  if (options.sort) out += " SORT ESORT THREAD=ORDEREDSUBJECT THREAD=REFERENCES";
  if (options.quota) out += " QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE";
}

}  // namespace keystonemail::imap
