// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// keystone-mail: the command line. The only file that knows the library that parses it.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "commands/check_mail.hpp"
#include "commands/commands.hpp"
#include "commands/dns.hpp"
#include "config/keys.hpp"
#include "keystonemail/autoreply/settings.hpp"
#include "keystonemail/backends/libuv/library_name.hpp"
#include "keystonemail/backends/lmdb/library_name.hpp"
#include "keystonemail/backends/segments/library_name.hpp"
#include "keystonemail/tls/context.hpp"

namespace {

using namespace keystonemail;
using namespace keystonemail::host;

constexpr auto usual_config = "/etc/keystone-mail/keystone-mail.toml";
constexpr int usage_status = 2;

struct Invocation {
  std::string config = usual_config;
  bool json = false;
  InitRequest init;
  DemoRequest demo;
  AdminRequest admin;
  bool password_stdin = false, hash_stdin = false;
  bool repair = false;
  bool force = false;
  std::string backups;
  TransferRequest transfer;
  MailCheck mail;
  std::string recipient;
  DnsRequest dns;
  std::string report_domain, report_since;
  bool send_now = false;
  int status = 0;
  [[nodiscard]] Output output() const { return json ? Output::json : Output::text; }
};

std::string version_text() {
  return "keystone-mail " KEYSTONEMAIL_VERSION " with " + tls::library_name() + ", " + lmdb::library_name() + ", " +
         segments::library_name() + ", " + libuv::library_name();
}

CLI::App* command(CLI::App& parent, Invocation& all, const std::string& name, const std::string& meaning) {
  auto* made = parent.add_subcommand(name, meaning);
  made->add_flag("--json", all.json, "print JSON");
  made->fallthrough();
  return made;
}

// The first line of standard input.
std::string read_password() {
  std::string line;
  std::getline(std::cin, line);
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return line;
}

enum class Password : bool { no, yes };

CLI::App* admin_command(CLI::App& parent, Invocation& all, const std::string& name, const std::string& meaning,
                        const std::string& argument, Password password = Password::no, bool several = false) {
  auto* made = command(parent, all, name, meaning);
  if (!argument.empty()) {
    auto* option = made->add_option(argument, all.admin.arguments)->required();
    option->expected(1, several ? 1'000 : 1);
  }
  if (password == Password::yes) {
    auto* plain = made->add_flag("--password-stdin", all.password_stdin, "read the password from standard input");
    made->add_flag("--password-hash-stdin", all.hash_stdin, "or its hash, from another server: $2b$, $5$, $6$, $y$ and what else crypt(5) has")->excludes(plain);
  }
  made->callback([&all, noun = parent.get_parent() ? parent.get_name() : "server", name] {
    all.admin.noun = noun;
    all.admin.verb = name;
    if (all.password_stdin) all.admin.password = read_password();
    if (all.hash_stdin) all.admin.password_hash = read_password();
    if ((all.password_stdin || all.hash_stdin) && all.admin.password.empty() && all.admin.password_hash.empty()) {
      all.status = report_error(all.output(), "the password on standard input is empty", usage_status);
      return;
    }
    if (noun == "account" && name == "password" && !all.password_stdin && !all.hash_stdin) {
      all.status = report_error(all.output(), "say --password-stdin and give the password on standard input", usage_status);
      return;
    }
    all.status = run_admin(all.config, std::move(all.admin), all.output());
  });
  return made;
}

// All of a file, or of standard input; as much as is certainly too much of one that is longer.
std::string read_text(const std::string& path) {
  std::string text(autoreply::limits::text_octets_max + 1, '\0');
  std::ifstream file;
  if (path != "-") file.open(path, std::ios::binary);
  std::istream& in = path == "-" ? std::cin : file;
  if (path != "-" && !file) throw CLI::ValidationError("--text-file", "cannot read " + path);
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.empty()) throw CLI::ValidationError("--text-file", path + " is empty");
  return text;
}

void add_vacation(CLI::App& account, Invocation& all) {
  auto* vacation = admin_command(account, all, "vacation", "what senders are told while its owner is away; without options, says so", "address");
  const auto to_word = [&all](const char* word) { return [&all, word](const std::string& value) { all.admin.options.push_back(word + value); }; };
  const std::vector<CLI::Option*> begins{
      vacation->add_option_function<std::string>("--subject", to_word("subject="), "of the answer; '' for Auto: and that of the message"),
      vacation->add_option_function<std::string>("--text-file", [&all](const std::string& path) { all.admin.options.push_back("text=" + read_text(path)); },
                                                 "what it says; - is standard input"),
      vacation->add_option_function<std::string>("--from", to_word("from="), "a day or time in UTC, 2026-12-24 or 2026-12-24T18:00; else now"),
      vacation->add_option_function<std::string>("--until", to_word("until="), "the same, a day to its end; else until --off"),
      vacation->add_option_function<std::string>("--days", to_word("days="), "before the same sender is told again; else 7"),
      vacation->add_option_function<std::string>("--as", to_word("as="), "an address of the account, for From; '' for the one the message was for"),
      vacation->add_flag_callback("--on", [&all] { all.admin.options.emplace_back("on"); }, "with what was said before")};
  auto* off = vacation->add_flag_callback("--off", [&all] { all.admin.options.emplace_back("off"); }, "no longer");
  auto* show = vacation->add_flag_callback("--show", [] {}, "how things are, as without options")->excludes(off);
  for (CLI::Option* one : begins) one->excludes(off)->excludes(show);
}

void add_admin(CLI::App& app, Invocation& all) {
  auto* account = command(app, all, "account", "accounts and their passwords");
  account->require_subcommand(1);
  auto* add = admin_command(*account, all, "add", "add an account", "address", Password::yes);
  add->add_option("--name", all.admin.name, "display name");
  admin_command(*account, all, "list", "list all accounts", "");
  admin_command(*account, all, "remove", "remove an account with its mail", "address");
  admin_command(*account, all, "disable", "refuse logins and mail, and end open sessions", "address");
  admin_command(*account, all, "enable", "take them again", "address");
  auto* forward = admin_command(*account, all, "forward", "where its mail goes as well: the account, then addresses; without any, says so", "addresses", Password::no, true);
  auto* only = forward->add_flag_callback("--only", [&all] { all.admin.name = "only"; }, "keep no copy");
  forward->add_flag_callback("--off", [&all] { all.admin.name = "off"; }, "no longer")->excludes(only);
  auto* password = admin_command(*account, all, "password", "set the password", "address", Password::yes);
  for (CLI::App* made : {add, password})
    made->add_flag_callback("--scram", [&all] { all.admin.options.emplace_back("scram"); },
                            "let SCRAM clients use it too, though a stolen store is far easier to guess from then")->needs("--password-stdin");
  auto* quota = admin_command(*account, all, "quota", "how much it may keep, and keeps; without options, says so", "address");
  const auto to_quota = [&all](const char* word) { return [&all, word](const std::string& value) { all.admin.options.push_back(word + value); }; };
  auto* octets = quota->add_option_function<std::string>("--octets", to_quota("octets="), "at most so much mail: 500M, 2G");
  auto* messages = quota->add_option_function<std::string>("--messages", to_quota("messages="), "at most so many messages");
  quota->add_flag_callback("--none", [&all] { all.admin.options.emplace_back("none"); }, "as much as there is room for")->excludes(octets)->excludes(messages);
  add_vacation(*account, all);
  admin_command(*account, all, "limits", "how much it may send, and has sent; then: LIMIT=NUMBER..., usual, release", "address and limits", Password::no, true);
  auto* app_password = command(*account, all, "app-password", "passwords made for one device each");
  app_password->require_subcommand(1);
  admin_command(*app_password, all, "add", "make one and print it: it is never shown again", "address")
      ->add_option("--name", all.admin.name, "of the device")->required();
  admin_command(*app_password, all, "list", "list their names", "address");
  admin_command(*app_password, all, "remove", "make one useless", "address")
      ->add_option("--name", all.admin.name, "of the device")->required();
  auto* domain = command(app, all, "domain", "domains we take mail for");
  domain->require_subcommand(1);
  admin_command(*domain, all, "add", "add a domain", "domain");
  admin_command(*domain, all, "list", "list all domains", "");
  admin_command(*domain, all, "remove", "remove a domain without addresses", "domain");
  auto* alias = command(app, all, "alias", "addresses that lead elsewhere; @domain is its catch-all");
  alias->require_subcommand(1);
  admin_command(*alias, all, "add", "add or replace: the address, then where it leads", "addresses", Password::no, true);
  admin_command(*alias, all, "add-list", "add or replace a mailing list: its address, then its members", "addresses", Password::no, true)
      ->add_option("--owner", all.admin.name, "who hears of members that cannot be reached; else postmaster");
  admin_command(*alias, all, "list", "list all aliases", "");
  admin_command(*alias, all, "remove", "remove an alias", "address");
  auto* queue = command(app, all, "queue", "messages that wait for delivery elsewhere");
  queue->require_subcommand(1);
  admin_command(*queue, all, "list", "list all entries", "");
  admin_command(*queue, all, "show", "one entry with its recipients", "id");
  admin_command(*queue, all, "retry", "try it again now", "id");
  admin_command(*queue, all, "hold", "keep it until it is released", "id");
  admin_command(*queue, all, "release", "let it go on", "id");
  admin_command(*queue, all, "cancel", "remove it without telling anybody", "id");
  admin_command(*queue, all, "move", "send it elsewhere: the id, then host:port, a domain, or mx for where it belongs", "id and place", Password::no, true);
  auto* dkim = command(app, all, "dkim", "keys that mail of our domains is signed with");
  dkim->require_subcommand(1);
  admin_command(*dkim, all, "generate", "make keys for a domain, and print the records to publish", "domain");
  admin_command(*dkim, all, "list", "list all keys", "");
  admin_command(*dkim, all, "publish", "print the records of a domain's keys, for its zone", "domain");
  admin_command(*dkim, all, "rotate", "make keys to come; said again, put them in use", "domain");
  auto* reports = command(app, all, "reports", "DMARC and TLS reports: those of others about our mail, and ours to them");
  reports->require_subcommand(1);
  auto* summary = command(*reports, all, "summary", "who sends in our name, what passes, and what to do; of 30 days unless told otherwise");
  summary->add_flag_callback("--unverified", [&all] { all.admin.name = "unverified"; }, "count what nobody vouches for too, as TLS reports by HTTPS");
  for (CLI::App* made : {command(*reports, all, "list", "list the reports that came in"), summary}) {
    made->add_option("--domain", all.report_domain, "that they tell of, and what is below it");
    made->add_option("--since", all.report_since, "a day (2026-11-01) or a time (7d, 12h)");
    made->callback([&all, made] {
      all.admin.noun = "reports";
      all.admin.verb = made->get_name();
      all.admin.arguments = {all.report_domain, all.report_since};
      all.status = run_admin(all.config, std::move(all.admin), all.output());
    });
  }
  admin_command(*reports, all, "show", "one report with all it says", "id");
  admin_command(*reports, all, "send", "send what has been gathered", "")
      ->add_flag("--now", all.send_now, "today's as well, instead of in the night after")->required();
  auto* trace = admin_command(app, all, "trace", "every step of a message, by its Message-ID or queue id; kept for 30 days", "message");
  trace->callback([&all] {
    all.admin.noun = "message";
    all.admin.verb = "trace";
    all.status = run_admin(all.config, std::move(all.admin), all.output());
  });
  admin_command(app, all, "reload", "have the running server read its configuration again", "");
  admin_command(app, all, "bans", "list networks that guessed passwords and are kept out", "");
  admin_command(app, all, "policies", "what the policies of the running server have decided, which DNS lists are in use, and accounts with limits of their own", "");
  admin_command(app, all, "unban", "let an address that guessed passwords in again", "address");
}

void add_init(CLI::App& app, Invocation& all) {
  auto* init = command(app, all, "init", "write a configuration and make the data directory");
  init->add_option("--hostname", all.init.hostname, "what the server calls itself")->required();
  init->add_option("--domain", all.init.domain, "the primary domain")->required();
  init->add_option("--data", all.init.data, "the data directory")->required();
  init->add_flag("--self-signed", all.init.self_signed, "make a certificate that nobody else has signed");
  init->callback([&all] {
    all.init.config = all.config;
    all.status = run_init(all.init, all.output());
  });
}

// What is looked at from outside.
void add_outside_checks(CLI::App& check, Invocation& all) {
  struct Look {
    const char *name, *meaning;
    int (*run)(const std::string&, const DnsRequest&, Output);
  };
  constexpr Look looks[] = {{"dns", "whether the world sees the records that the domain needs", run_check_dns},
                            {"port25", "whether mail can leave and come in", run_check_port25},
                            {"ptr", "whether our addresses have the names they should", run_check_ptr},
                            {"blocklists", "whether our addresses are on a list of senders of spam", run_check_blocklists},
                            {"tls", "the certificates and handshakes of the domain's mail servers", run_check_tls}};
  for (const Look& look : looks) {
    auto* made = command(check, all, look.name, look.meaning);
    made->add_option("domain", all.dns.domain, "else the primary one");
    made->add_option("--resolver", all.dns.resolver, "DNS server, host:port; else that of the configuration, or the root");
    made->add_option("--address", all.dns.addresses, "IP addresses of the host; else those that the DNS has");
    if (look.run == run_check_blocklists) made->add_option("--list", all.dns.lists, "ask these lists instead of the usual ones");
    if (look.run == run_check_port25) made->add_option("--exchanger", all.dns.mail_exchanger, "connect to this domain's, or address:port");
    made->callback([&all, run = look.run] { all.status = run(all.config, all.dns, all.output()); });
  }
}

void add_check(CLI::App& app, Invocation& all) {
  auto* check = command(app, all, "check", "check the configuration and all it names; or why a mail passes or fails");
  check->callback([&all, check] {
    if (check->get_subcommands().empty()) all.status = run_check(all.config, all.output());
  });
  auto* spf = command(*check, all, "spf", "whether a host may send for a domain, and why");
  auto* message = command(*check, all, "message", "SPF, DKIM, DMARC and ARC of a message, and why");
  for (CLI::App* made : {spf, message}) {
    made->add_option("--resolver", all.mail.resolver, "DNS server, host:port; else that of the configuration, or the root");
    made->add_option("--ip", all.mail.client, "address of the sending host")->required();
    made->add_option("--helo", all.mail.helo, "what it calls itself")->required();
    made->add_option("--from", all.mail.from, "address in MAIL FROM; '' is the null sender")->required();
    made->add_flag("--verbose", all.mail.verbose, "print the steps that led there");
  }
  message->add_option("file", all.mail.file, "the message; - is standard input")->required();
  auto* policy = command(*check, all, "policy", "what access rules, HELO and sender checks and DNS lists say to a client, and why");
  policy->add_option("--resolver", all.mail.resolver, "DNS server, host:port; else the configured one");
  policy->add_option("--ip", all.mail.client, "address of the client")->required();
  policy->add_option("--helo", all.mail.helo, "what it calls itself")->required();
  policy->add_option("--from", all.mail.from, "address in MAIL FROM; '' is the null sender")->required();
  policy->add_option("--to", all.recipient, "address in RCPT TO; else postmaster");
  policy->callback([&all] { all.status = run_check_policy(all.config, {all.mail, all.recipient}, all.output()); });
  spf->callback([&all] {
    all.mail.config = all.config;
    all.status = run_check_spf(all.mail, all.output());
  });
  message->callback([&all] {
    all.mail.config = all.config;
    all.status = run_check_message(all.mail, all.output());
  });
  add_outside_checks(*check, all);
}

void add_dns(CLI::App& app, Invocation& all) {
  auto* dns = command(app, all, "dns", "the records that a domain needs in the DNS");
  dns->add_option("domain", all.dns.domain, "else the primary one");
  dns->add_option("--address", all.dns.addresses, "IP addresses of the host, as the world sees them");
  const auto set_format = [&all](const std::string& word) {
    all.dns.format = word == "json" ? DnsFormat::json : word == "table" ? DnsFormat::table : DnsFormat::zone;
  };
  dns->add_option_function<std::string>("--format", set_format, "zone, unless told otherwise")->check(CLI::IsMember({"zone", "table", "json"}));
  dns->callback([&all] { all.status = run_dns(all.config, all.dns, all.output()); });
}

void add_demo(CLI::App& app, Invocation& all) {
  auto* demo = app.add_subcommand("demo", "run a server on loopback that shows itself working, with settings for your mail client");
  auto* data = demo->add_option("--data", all.demo.data, "where its mail is kept")->capture_default_str();
  demo->add_flag("--ephemeral", all.demo.ephemeral, "keep everything in memory")->excludes(data);
  demo->add_flag("--check", all.demo.check, "end after the self-test");
  demo->callback([&all] { all.status = run_demo(all.demo); });
}

void add_operations(CLI::App& app, Invocation& all) {
  auto* verify = command(app, all, "verify", "read everything in the store and say what is damaged");
  verify->add_flag("--repair", all.repair, "make counts, indexes and threads anew, then look again");
  verify->callback([&all] { all.status = run_verify(all.config, all.repair ? Repair::yes : Repair::no, all.output()); });
  auto* backup = command(app, all, "backup", "copy the store, into a directory named by the time");
  backup->add_option("directory", all.backups, "of backups; what has not changed since the last one is shared")->required();
  backup->callback([&all] { all.status = run_backup(all.config, all.backups, all.output()); });
  auto* restore = command(app, all, "restore", "put a backup into an empty data directory, and verify it");
  restore->add_option("directory", all.backups, "a backup, or a directory of them: then the newest")->required();
  restore->add_flag("--force", all.force, "move the store that is there aside");
  restore->callback([&all] { all.status = run_restore(all.config, all.backups, all.force, all.output()); });
  auto* salvage = command(app, all, "salvage", "write the mail of a store whose index is lost to Maildirs");
  salvage->add_option("directory", all.transfer.path, "to write to, beside what is there already")->required();
  salvage->callback([&all] { all.status = run_salvage(all.config, all.transfer.path, all.output()); });
  auto* out = command(app, all, "export", "write an account's mail to mbox files or a Maildir");
  auto* in = command(app, all, "import", "read mail from mbox files or a Maildir; what is there already is skipped");
  for (CLI::App* made : {out, in}) {
    made->add_option("account", all.transfer.login, "its address")->required();
    made->add_option("path", all.transfer.path, "directory, or the mbox file of one mailbox")->required();
    made->add_option("--mailbox", all.transfer.mailbox, "this one alone");
  }
  const auto set_format = [&all](const std::string& word) { all.transfer.format = word == "maildir" ? MailFormat::maildir : MailFormat::mbox; };
  out->add_option_function<std::string>("--format", set_format, "mbox, unless told otherwise")->check(CLI::IsMember({"mbox", "maildir"}));
  out->callback([&all] { all.status = run_export(all.config, all.transfer, all.output()); });
  in->callback([&all] { all.status = run_import(all.config, all.transfer, all.output()); });
}

// What was typed that there is not, in words; empty when everything is known.
std::string unknown_word(const CLI::App& app) {
  const std::vector<std::string> left = app.remaining(true);
  if (left.empty()) return {};
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  const bool is_option = left.front().starts_with('-');
  std::vector<std::string> names;
  for (const CLI::App* known : at->get_subcommands([](const CLI::App*) { return true; })) {
    if (!is_option) names.push_back(known->get_name());
  }
  for (const CLI::Option* known : at->get_options()) {
    if (is_option) names.push_back(known->get_name());
  }
  const std::vector<std::string_view> views(names.begin(), names.end());
  std::string_view meant = suggestion(left.front(), views);
  for (const std::string_view name : views) {  // --password is the begin of one
    if (meant.empty() && name.starts_with(left.front())) meant = name;
  }
  return std::string("there is no ") + (is_option ? "option " : "command ") + left.front() +
         (meant.empty() ? std::string() : "; did you mean " + std::string(meant) + "?");
}

// What there is to say after a command that needs another; empty when that is not what is wrong.
std::string missing_word(const CLI::App& app, const CLI::ParseError& error) {
  if (dynamic_cast<const CLI::RequiredError*>(&error) == nullptr) return {};
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  if (at->get_require_subcommand_min() == 0) return {};
  std::string names;
  for (const CLI::App* known : at->get_subcommands([](const CLI::App*) { return true; })) names += (names.empty() ? "" : ", ") + known->get_name();
  return (at == &app ? "say what to do: " : "say what to do after " + at->get_name() + ": ") + names;
}

// The arguments, last first, as CLI11 takes them. It has "--from=" for an option that lacks its value, though that is what
// becomes of --from='' in a shell.
std::vector<std::string> arguments_of(int argc, char** argv) {
  std::vector<std::string> out;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    const bool is_empty_value = argument.size() > 3 && argument.starts_with("--") && argument.find('=') == argument.size() - 1;
    if (is_empty_value) argument.pop_back();
    out.push_back(std::move(argument));
    if (is_empty_value) out.emplace_back();
  }
  std::ranges::reverse(out);
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  Invocation all;
  CLI::App app("Keystone Mail, a mail server", "keystone-mail");
  app.set_version_flag("--version", version_text());
  app.add_option("--config", all.config, "configuration file")->capture_default_str();
  app.add_flag("--json", all.json, "print JSON");
  app.require_subcommand(1);
  app.fallthrough();
  auto* serve = app.add_subcommand("serve", "run the server");
  serve->add_flag("--json", all.json, "log in JSON, whatever [log] format says");
  serve->fallthrough();
  serve->callback([&all] { all.status = run_serve(all.config, all.output()); });
  add_check(app, all);
  add_init(app, all);
  add_dns(app, all);
  add_demo(app, all);
  add_admin(app, all);
  add_operations(app, all);
  auto* help = app.add_subcommand("help", "more about: config");
  help->require_subcommand(1);
  help->add_subcommand("config", "every key of the configuration")->callback([] { std::fputs(describe_keys().c_str(), stdout); });
  try {
    app.parse(arguments_of(argc, argv));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    std::string wrong = unknown_word(app);
    if (wrong.empty()) wrong = missing_word(app, error);
    if (wrong.empty()) app.exit(error);
    else std::fputs(("keystone-mail: " + wrong + "\nRun with --help for more information.\n").c_str(), stderr);
    return usage_status;
  } catch (const std::exception& error) {
    return report_error(Output::text, error.what());
  }
  return all.status;
}
