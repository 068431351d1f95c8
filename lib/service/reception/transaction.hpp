// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Transaction: what one MAIL ... end-of-data gathers, from sender to delivery.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "keystonemail/delivery/delivery.hpp"
#include "keystonemail/directory/directory.hpp"
#include "keystonemail/mime/header.hpp"
#include "keystonemail/policy/draft.hpp"
#include "keystonemail/smtp/server_event.hpp"

namespace keystonemail::reception {

// Keeps the header of a message that passes by: enough to count hops and see what is missing.
//
// A message that begins with a line that is no field has no header: it is given the empty line that parts one from the body,
// for its first line is not to become one of the fields that we add. The line "From " of mbox stays what it is.
class HeaderCollector {
 public:
  explicit HeaderCollector(std::size_t octets_max) : octets_max_(octets_max) {}
  // How many octets at the front of `piece` belong to the header, or to what body_begin() gives.
  [[nodiscard]] std::size_t feed(std::string_view piece);
  // There is no more.
  void finish();
  // What was taken and is of the body, where there is no header; once the header is complete.
  [[nodiscard]] std::string take_body_begin() noexcept { return std::exchange(body_begin_, {}); }
  [[nodiscard]] bool too_large() const noexcept { return too_large_; }
  // Whether its empty line was seen.
  [[nodiscard]] bool complete() const noexcept { return complete_; }
  [[nodiscard]] const std::string& header() const noexcept { return header_; }
  // Puts whole lines at its bottom.
  void append_fields(std::string_view fields);
  // Takes out the fields of that name.
  void remove_fields(mime::FieldName name);
  // Gives the header away; the rest stays known.
  [[nodiscard]] std::string take_header() noexcept { return std::move(header_); }

 private:
  enum class Begin : std::uint8_t { name, blanks, field, body };  // what the first line has been so far, or is
  void look_at_begin(std::string_view piece) noexcept;
  void give_empty_line();

  std::size_t octets_max_;
  std::string header_, body_begin_;
  mime::HeaderEndFinder end_;
  Begin begin_ = Begin::name;
  bool complete_ = false;
  bool too_large_ = false;
};

// Mail that goes on to an address elsewhere for somebody here.
struct Forward {
  queue::Recipient recipient;
  std::string via;                                  // the address here that leads there
  std::string list;                                 // the mailing list whose member it is; empty: none
  bool is_redirect = false;                         // an account here is forwarded there
};

// An account here that is forwarded to an address elsewhere; several may lead to one.
struct Redirector {
  mailstore::AccountId account{};
  std::string address;                              // of the account
  std::string target;
  std::size_t accepted = 0;                         // which RCPT it was come to by
};

// How an address elsewhere was come to.
struct Way {
  std::string target;
  std::string via;                                  // these as in Forward; the target itself when it was what was given
  std::string list = {};
};

// A RCPT that was accepted, as it came.
struct Given {
  std::string address;
  std::string original_recipient;                   // "type;address"; empty when none was given
  queue::Notify notify;
};
[[nodiscard]] Given given_by(const smtp::RcptTo& event);

// What the sender is to hear of a recipient from us: that it has arrived (RFC 3461 §4.1, NOTIFY=SUCCESS), or that it will not.
struct Wish {
  std::string address;
  std::string original_recipient;
  bool expanded = false;                            // it became several recipients (RFC 3461 §5.2.7.3)
  bool failed = false;                              // it is one of `refused`
  std::size_t accepted = 0;                         // which RCPT it is of
};

// A line for the trace of a message has a ceiling, and so has their number.
inline constexpr std::size_t journey_steps_max = 250;

struct Transaction {
  smtp::Path sender;
  std::string sender_address;                       // as text; empty: the null reverse-path
  smtp::MailParameters parameters;
  WallTime released{};                              // RFC 4865: to be held back until then; otherwise zero
  std::vector<delivery::LocalRecipient> local;      // one an account
  std::vector<std::string> local_addresses;         // beside it: for Delivered-To
  std::vector<std::string> local_lists;             // beside it as well: the mailing list whose member it is
  std::set<mailstore::AccountId> absent;            // those among them, and maybe others, that have automatic answers
  std::vector<queue::Recipient> remote;
  std::vector<Forward> forwards;
  std::vector<Redirector> redirectors;
  std::vector<directory::Mailboxes::List> lists;    // that are named above
  std::size_t addresses_here = 0;                   // how many RCPTs name one
  std::vector<Wish> wishes;
  std::vector<queue::TraceStep> journey;            // what happened so far
  std::string seal;                                 // of what goes on: fields
  // For each accepted RCPT, in order, the accounts' places in `local` (LMTP answers by recipient).
  std::vector<std::vector<std::size_t>> accepted;
  std::vector<Given> given;                         // beside it
  std::vector<std::vector<Way>> elsewhere;          // and where in `remote` and `forwards` it leads
  std::vector<std::size_t> refused;                 // places of those that the message was not taken for after all
  std::string returned;                             // the message, for a report of those that is to have it whole (RFC 3461 §4.3)
  std::string first_recipient;                      // as given
  std::unique_ptr<mailstore::MessageWriter> writer;
  std::optional<HeaderCollector> header;
  std::uint64_t octets = 0;                         // received so far
  // What policies said.
  std::vector<policy::Recipient> judged;            // the recipients as they know them
  std::vector<policy::Edit> edits;                  // still to be made
  std::optional<policy::Draft> draft;               // once the header is there
  std::uint32_t written_revision = 0;               // of the draft below its top: that which the writer was given
  std::uint64_t header_octets = 0, body_octets = 0; // that the writer was given
  bool top_is_apart = true;                         // in front of each copy; else it is in the message
  policy::Verdict verdict = policy::Verdict::proceed;  // proceed, quarantine or discard
  std::string verdict_reason;                       // and whose it is, for the trace

  [[nodiscard]] bool has_recipients() const noexcept { return !local.empty() || !remote.empty() || !forwards.empty(); }
  // Whether mail goes to that address already.
  [[nodiscard]] bool goes_to(std::string_view address) const;
  void note(WallTime when, std::string what, std::string recipient, std::string text, std::string host = {});
  // Takes a recipient out again, here and elsewhere: one as it was given, with all that it alone leads to, or one of those.
  void remove_recipient(std::string_view address);
  void remove_local(std::size_t place);
  void remove_elsewhere(std::string_view address);
  // Takes out what would go on from one of these addresses (keys) once more. Gives the addresses, and adds to `refused` whom
  // nothing is left of.
  std::vector<std::string> stop_rounds(std::span<const std::string> passed);
  // Takes the members of a list that are here out again, but not for those who are recipients of their own.
  void remove_members(std::string_view list);
  // Takes out the forward in that place: the message stays with the accounts that are forwarded there.
  void keep_here(std::size_t forward);
  // The addresses by which the message came to that place and to nobody else, as they were given, and that which the account has.
  [[nodiscard]] std::vector<std::string> own_addresses(std::size_t place) const;
  // As many recipients as there were: the last RCPT was refused after all.
  struct Mark {
    std::size_t local = 0, remote = 0, accepted = 0, forwards = 0, redirectors = 0, lists = 0, addresses_here = 0, wishes = 0;
  };
  [[nodiscard]] Mark mark() const noexcept {
    return {local.size(), remote.size(), accepted.size(), forwards.size(), redirectors.size(), lists.size(), addresses_here, wishes.size()};
  }
  void roll_back(const Mark& mark);
  // The message's header as it is now, as far as it has come.
  [[nodiscard]] std::string_view header_text() const noexcept;
  // Adds what is known of the message to what the policies are told.
  void describe(policy::Facts& facts) const noexcept;
};

// What the header of a submitted message lacks (RFC 6409 §8): fields to put on top.
struct HeaderFindings {
  std::uint32_t received = 0;
  bool has_date = false;
  bool has_message_id = false;
  bool tls_optional = false;                        // RFC 8689 §3: TLS-Required: No, once
  std::string message_id;                           // as written, brackets included; empty if none
  std::vector<std::string> delivered_to;            // keys of the addresses in such fields (attack E1), some of them at most
  std::uint32_t automatic = 0;                      // Auto-Submitted fields other than "no" (RFC 3834 §5)
  bool is_automatic_reply = false;
};
[[nodiscard]] HeaderFindings inspect_header(std::string_view header);

}  // namespace keystonemail::reception
