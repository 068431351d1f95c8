// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The commands. Each returns the program's exit status: 0 all is well, 1 a problem was found, 2 wrong usage.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "keystonemail/base/executor.hpp"

namespace keystonemail::host {

class Progress;
class Stores;

enum class Output : bool { text, json };

struct InitRequest {
  std::string config, hostname, domain, data;
  bool self_signed = false;
};

// Writes a configuration, makes the data directory and, if asked, a certificate. Overwrites nothing.
[[nodiscard]] int run_init(const InitRequest& request, Output output);
// Reads the configuration and all it names, offline.
[[nodiscard]] int run_check(const std::string& config, Output output);
// With Output::json the log is in JSON, whatever the configuration says.
[[nodiscard]] int run_serve(const std::string& config, Output output);

struct DemoRequest {
  std::string data = "keystone-demo";
  bool ephemeral = false;  // in memory
  bool check = false;      // end after the self-test
};
// A server on loopback with two accounts, that sends itself a message and stays up until it is told to stop.
[[nodiscard]] int run_demo(const DemoRequest& request);

// What an administrative command is asked to do, in words: {"account", "add"}, {"alice@example.org"}.
struct AdminRequest {
  std::string noun, verb;
  std::vector<std::string> arguments;
  std::string password;                 // for those that take one
  std::string password_hash = {};       // or a hash from elsewhere
  std::string name;                     // display name, or an app password's
  std::vector<std::string> options = {};  // how, beside the arguments: "octets=500M"
  Progress* progress = nullptr;         // borrowed; told how far what takes long has come. Not sent to a server
};
struct AdminReply {
  int status = 0;
  std::string text;                     // for people
  std::string json;
  std::string error;                    // on stderr; empty when all is well
  std::string warning;                  // on stderr as well
};
[[nodiscard]] Task<AdminReply> make_backup(Stores& stores, AdminRequest request, Context context);
[[nodiscard]] Task<AdminReply> verify_store(Stores& stores, AdminRequest request, Context context);
// generate, list, rotate, publish.
[[nodiscard]] Task<AdminReply> administer_dkim(Stores& stores, AdminRequest request, Context context);
// list, show, summary (a domain and since when, each may be empty), send.
[[nodiscard]] Task<AdminReply> administer_reports(Stores& stores, AdminRequest request, Context context);
// quota of an account.
[[nodiscard]] Task<AdminReply> administer_quota(Stores& stores, AdminRequest request, Context context);
// What senders are told while the owner of an account is away.
[[nodiscard]] Task<AdminReply> administer_vacation(Stores& stores, AdminRequest request, Context context);
// limits of an account, and what the policies do.
[[nodiscard]] Task<AdminReply> administer_sending(Stores& stores, AdminRequest request, Context context);
[[nodiscard]] Task<AdminReply> show_policies(Stores& stores, AdminRequest request, Context context);
// All of them, those as well. REQUIRES: the request has its progress.
[[nodiscard]] Task<AdminReply> administer(Stores& stores, AdminRequest request, Context context);
// Has the running server do it, or opens the store itself when none runs.
[[nodiscard]] int run_admin(const std::string& config, AdminRequest request, Output output);

enum class Repair : bool { no, yes };
// Reads everything in the store and says what is damaged; with Repair::yes makes derived rows anew and looks again.
// The running server checks its store as it is at one moment; repair is for when none runs.
[[nodiscard]] int run_verify(const std::string& config, Repair repair, Output output);

enum class MailFormat : std::uint8_t { mbox, maildir };

// Mail between an account and files. import finds the format out by itself.
struct TransferRequest {
  std::string login;
  std::string mailbox;                  // empty: all
  std::string path;
  MailFormat format = MailFormat::mbox;
};
// Both open the store themselves.
[[nodiscard]] int run_export(const std::string& config, const TransferRequest& request, Output output);
[[nodiscard]] int run_import(const std::string& config, const TransferRequest& request, Output output);

// Writes what the segment files hold to Maildirs, without the index.
[[nodiscard]] int run_salvage(const std::string& config, const std::string& target, Output output);

// The running server makes it, or the command itself when none runs.
[[nodiscard]] int run_backup(const std::string& config, const std::string& target, Output output);
// Opens the store itself.
[[nodiscard]] int run_restore(const std::string& config, const std::string& from, bool force, Output output);

// A JSON string, quotes included.
[[nodiscard]] std::string json_text(std::string_view text);
[[nodiscard]] std::string json_list(const std::vector<std::string>& texts);
// A request that failed: status 1, and what went wrong in words.
[[nodiscard]] AdminReply failed(const Error& error);
// Prints an error as the output asks for, and returns `status`.
[[nodiscard]] int report_error(Output output, std::string_view error, int status = 1);

}  // namespace keystonemail::host
