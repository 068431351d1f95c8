// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// milter: the words of the protocol (libmilter's mfdef.h and mfapi.h): what a filter may do, what it wants to hear.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace keystonemail::milter {

inline constexpr std::uint32_t version_least = 2, version_most = 6;

// What a filter may do to a message (SMFIF_).
namespace actions {
inline constexpr std::uint32_t add_headers = 0x001, change_body = 0x002, add_recipients = 0x004, remove_recipients = 0x008,
                               change_headers = 0x010, quarantine = 0x020, change_sender = 0x040,
                               add_recipients_with_parameters = 0x080, choose_macros = 0x100;
inline constexpr std::uint32_t all = 0x1ff;
}  // namespace actions

// What need not be said to it (no_), what it does not answer (quiet_), and what else both agree on (SMFIP_).
namespace steps {
inline constexpr std::uint32_t no_connect = 0x1, no_helo = 0x2, no_mail = 0x4, no_rcpt = 0x8, no_body = 0x10, no_headers = 0x20,
                               no_end_of_header = 0x40, quiet_header = 0x80, no_unknown = 0x100, no_data = 0x200,
                               skip = 0x400,            // it may say that it has heard enough of the body
                               rejected_recipients = 0x800,
                               quiet_connect = 0x1000, quiet_helo = 0x2000, quiet_mail = 0x4000, quiet_rcpt = 0x8000,
                               quiet_data = 0x1'0000, quiet_unknown = 0x2'0000, quiet_end_of_header = 0x4'0000,
                               quiet_body = 0x8'0000,
                               leading_space = 0x10'0000;  // values of fields with the blank behind the colon
inline constexpr std::uint32_t all = 0x1f'ffff;
inline constexpr std::uint32_t all_of_version_2 = 0x7f;
}  // namespace steps

// Where macros are given; the numbers of SMFIM_.
enum class MacroStage : std::uint8_t { connect, helo, mail, rcpt, data, end_of_message, end_of_header };
inline constexpr std::size_t macro_stages = 7;

// A macro and what it stands for: {"j", "mail.example.org"}, {"{auth_authen}", "alice"}.
struct Macro {
  std::string_view name;
  std::string_view value;
};

enum class Family : char { unknown = 'U', local = 'L', inet = '4', inet6 = '6' };

// Who connects.
struct Peer {
  std::string_view hostname;   // "[192.0.2.1]" where there is none
  Family family = Family::unknown;
  std::uint16_t port = 0;
  std::string_view address;    // "192.0.2.1", "IPv6:2001:db8::1"; empty when unknown
};

}  // namespace keystonemail::milter
