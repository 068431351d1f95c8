// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "config/config.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstdlib>
#include <string>

#include "config/keys.hpp"

using namespace keystonemail;
using namespace keystonemail::host;

namespace {

const std::string minimal = R"(hostname = "mail.example.org"
primary_domain = "example.org"
data_directory = "/var/lib/mail"
)";
const std::string with_tls = minimal + "[tls]\ncertificate = \"c.pem\"\nprivate_key = \"k.pem\"\n";

std::string errors_of(const std::string& text) { return describe(read_config(text).errors, "f"); }

}  // namespace

TEST_CASE("config: the least that is needed, with the usual listeners and defaults") {
  const auto reading = read_config(with_tls);
  REQUIRE(reading.errors.empty());
  CHECK(reading.config.hostname == "mail.example.org");
  CHECK(reading.config.listeners.size() == 6);
  CHECK(reading.config.limits.message_size == 52'428'800);
  CHECK(reading.config.private_key.name == "k.pem");
  for (const ListenerConfig& listener : reading.config.listeners)
    CHECK((listener.tls == TlsUse::implicit) == (listener.address.port == 465 || listener.address.port == 993 || listener.address.port == 443));
}

TEST_CASE("config: every key of the example is read") {
  const auto reading = read_config(minimal + R"(user = "mail"
loops = 3
[tls]
certificate = "c.pem"
private_key = { env = "KEY" }
[limits]
trusted = ["127.0.0.0/8", "::1"]
message_size = 1000000
connections = 500
connections_per_address = 5
connections_per_minute = 60
connections_per_account = 7
[log]
format = "json"
level = "debug"
[[listener]]
protocol = "imap"
address = "127.0.0.1:0"
tls = "none"
allow_plaintext_auth = true
proxy_trusted = ["10.0.0.0/8"]
)");
  REQUIRE(describe(reading.errors, "f") == "");
  const Config& config = reading.config;
  CHECK(config.user == "mail");
  CHECK(config.loops == 3);
  CHECK(config.private_key.kind == SecretSource::Kind::environment);
  CHECK(config.limits.trusted.size() == 2);
  CHECK(config.limits.message_size == 1'000'000);
  CHECK(config.limits.connections == 500);
  CHECK(config.limits.connections_per_account == 7);
  CHECK(config.log_format == LogFormat::json);
  CHECK(config.log_level == LogLevel::debug);
  REQUIRE(config.listeners.size() == 1);
  CHECK(config.listeners[0].protocol == Protocol::imap);
  CHECK(config.listeners[0].allow_plaintext_auth);
  CHECK(config.listeners[0].proxy_trusted.size() == 1);
}

TEST_CASE("config: an unknown key is an error at its line, with the key it was probably meant to be") {
  CHECK(errors_of(with_tls + "[limits]\nmesage_size = 1\n") == "f:8: unknown key limits.mesage_size; did you mean message_size?\n");
  CHECK(errors_of("hostnmae = \"x\"\n" + with_tls) == "f:1: unknown key hostnmae; did you mean hostname?\n");
  CHECK(errors_of(with_tls + "[limit]\n") == "f:7: unknown key limit; did you mean limits?\n");
  CHECK(errors_of(with_tls + "[zzzzzzzz]\n") == "f:7: unknown key zzzzzzzz\n");
}

TEST_CASE("config: all problems are told, in the order of their lines") {
  const std::string errors = errors_of(with_tls + "[limits]\nmessage_size = \"big\"\ntrusted = [\"nowhere\"]\n[log]\nlevel = \"inof\"\n");
  CHECK(errors == "f:8: limits.message_size must be a whole number\n"
                  "f:9: limits.trusted \"nowhere\" is neither an IP address nor a network\n"
                  "f:11: log.level must be one of debug, info, warning, error; did you mean \"info\"?\n");
}

TEST_CASE("config: what is missing is named") {
  CHECK(errors_of("[[listener]]\nprotocol = \"smtp\"\naddress = \"127.0.0.1:0\"\ntls = \"none\"\n") ==
        "f: hostname is missing\nf: primary_domain is missing\nf: data_directory is missing\n");
  CHECK(errors_of(minimal).find("certificate and private_key are needed") != std::string::npos);
  CHECK(errors_of(minimal + "[[listener]]\ntls = \"none\"\n") ==
        "f:4: this listener has no protocol\nf:4: this listener has no address\n");
}

TEST_CASE("config: passwords in the clear are refused on all but loopback addresses") {
  const auto listener = [](const char* address) {
    return minimal + "[[listener]]\nprotocol = \"submission\"\ntls = \"none\"\nallow_plaintext_auth = true\naddress = \"" + address + "\"\n";
  };
  CHECK(errors_of(listener("127.0.0.1:0")).empty());
  CHECK(errors_of(listener("[::1]:587")).empty());
  for (const char* address : {"0.0.0.0:587", "[::]:587", "192.0.2.1:587"}) {
    CAPTURE(address);
    CHECK(errors_of(listener(address)).find("f:4: listener.allow_plaintext_auth would send passwords in the clear") == 0);
  }
}

TEST_CASE("config: text that is no TOML is an error with its line") {
  CHECK(errors_of("hostname = \n").starts_with("f:1: "));
  CHECK(errors_of(minimal + "hostname = \"again\"\n").starts_with("f:4: "));
}

TEST_CASE("config: every key is documented once, and found by its name") {
  const std::string help = describe_keys();
  for (const Key& key : config_keys()) {
    CHECK(find_key(key.section, key.name) == &key);
    CHECK(help.find(std::string(key.name) + " = ") != std::string::npos);
    CHECK(!key.meaning.empty());
  }
  CHECK(find_key("", "acme_email") == nullptr);
}

TEST_CASE("config: a secret comes from a file or the environment, and a missing one is an error") {
  setenv("KEYSTONE_TEST_SECRET", "open sesame", 1);
  CHECK(read_secret({SecretSource::Kind::environment, "KEYSTONE_TEST_SECRET"}).value() == "open sesame");
  CHECK(read_secret({SecretSource::Kind::environment, "KEYSTONE_TEST_ABSENT"}).error().kind() == ErrorKind::not_found);
  CHECK(read_secret({SecretSource::Kind::file, "/nonexistent/file"}).error().kind() == ErrorKind::not_found);
}

TEST_CASE("suggestion: near names only") {
  const std::array<std::string_view, 3> known{"address", "protocol", "tls"};
  CHECK(suggestion("adress", known) == "address");
  CHECK(suggestion("Protokoll", known) == "protocol");
  CHECK(suggestion("certificate", known).empty());
}

TEST_CASE("config: a directory plugin needs an absolute path, and only a plugin has one") {
  const auto with_directory = [](const std::string& keys) { return with_tls + "[directory]\n" + keys; };
  CHECK(errors_of(with_directory("type = \"internal\"\n")).empty());
  CHECK(errors_of(with_directory("type = \"plugin\"\npath = \"/usr/lib/users.so\"\noptions = \"/etc/users\"\n")).empty());
  CHECK(errors_of(with_directory("type = \"plugin\"\n")).find("directory.path is missing") != std::string::npos);
  CHECK(errors_of(with_directory("type = \"plugin\"\npath = \"users.so\"\n")).find("must be absolute") != std::string::npos);
  CHECK(errors_of(with_directory("path = \"/usr/lib/users.so\"\n")).find("are for type = \"plugin\"") != std::string::npos);
  CHECK(errors_of(with_directory("type = \"plugins\"\n")).find("did you mean \"plugin\"") != std::string::npos);
}

TEST_CASE("config: client certificates want TLS, an authority, and a protocol with logins") {
  const auto listener = [](const std::string& authorities, const std::string& keys) {
    return errors_of(with_tls + authorities + "[[listener]]\naddress = \"127.0.0.1:0\"\nclient_certificates = true\n" + keys);
  };
  const std::string authorities = "client_authorities = \"ca.pem\"\n";
  CHECK(listener(authorities, "protocol = \"imaps\"\n").empty());
  CHECK(listener("", "protocol = \"imaps\"\n").find("needs [tls] client_authorities") != std::string::npos);
  CHECK(listener(authorities, "protocol = \"imap\"\ntls = \"none\"\n").find("needs TLS") != std::string::npos);
  CHECK(listener(authorities, "protocol = \"smtp\"\n").find("nobody logs in to smtp") != std::string::npos);
}

TEST_CASE("config: what a plugin is given is a text, a file or a variable") {
  const auto read = [](const std::string& options) {
    return read_config(with_tls + "[directory]\ntype = \"plugin\"\npath = \"/p.so\"\noptions = " + options + "\n").config.directory.options;
  };
  CHECK(read_secret(read("\"host=ldap.example\"")).value() == "host=ldap.example");
  CHECK(read("{ file = \"/etc/users\" }").kind == SecretSource::Kind::file);
  CHECK(read("{ env = \"USERS\" }").kind == SecretSource::Kind::environment);
  CHECK(read_secret(SecretSource{}).value().empty());
}

TEST_CASE("config: filters are read in their order, each with its defaults") {
  const auto reading = read_config(with_tls + R"([[milter]]
address = "inet:127.0.0.1:11332"
on = ["smtp"]
failure = "quarantine"
skip = ["trusted", "authenticated"]
reuse = true
connect_timeout = "2s"
command_timeout = "5s"
message_timeout = "1m"
[[milter]]
address = "unix:/run/filter.sock"
)");
  REQUIRE(describe(reading.errors, "f") == "");
  REQUIRE(reading.config.milters.size() == 2);
  const MilterConfig& first = reading.config.milters[0];
  CHECK(first.address.to_string() == "inet:127.0.0.1:11332");
  CHECK(first.on == std::vector<std::string>{"smtp"});
  CHECK(first.failure == MilterFailure::quarantine);
  CHECK(first.skip_trusted);
  CHECK(first.skip_authenticated);
  CHECK(first.reuse);
  CHECK(first.message_timeout == std::chrono::minutes(1));
  const MilterConfig& second = reading.config.milters[1];
  CHECK(second.address.to_string() == "unix:/run/filter.sock");
  CHECK(second.failure == MilterFailure::tempfail);
  CHECK(second.on.size() == 3);
  CHECK_FALSE(second.reuse);
}

TEST_CASE("config: what is wrong with a filter is said at its line") {
  const auto problem = [](const std::string& lines) { return errors_of(with_tls + "[[milter]]\naddress = \"inet:127.0.0.1:1\"\n" + lines); };
  CHECK(problem("").empty());
  CHECK(problem("on = [\"imap\"]\n") == "f:9: milter.on must be a list of some of smtp, submission, lmtp\n");
  CHECK(problem("failure = \"tempfial\"\n").starts_with("f:9: milter.failure must be one of"));
  CHECK(problem("skip = [\"all\"]\n") == "f:9: milter.skip must be a list of some of trusted, authenticated\n");
  CHECK(problem("message_timeout = \"1h\"\n").starts_with("f:9: milter.message_timeout must be a time of at most 540s"));
  CHECK(errors_of(with_tls + "[[milter]]\nfailure = \"accept\"\n") == "f:7: this milter has no address\n");
  CHECK(errors_of(with_tls + "[[milter]]\naddress = \"rspamd:11332\"\n").starts_with("f:8: milter.address must be"));
  CHECK(errors_of(with_tls + "[milter]\naddress = \"inet:127.0.0.1:1\"\n") == "f:7: milter is a list of sections: write [[milter]] for each\n");
}

TEST_CASE("config: reports have addresses, and failure reports one of three words") {
  const auto reading = read_config(with_tls + "[reports]\nenabled = true\norganization = \"Example, Inc.\"\ncontact = \"reports@example.org\"\n"
                                              "dmarc_address = \"dmarc@example.org\"\ntls_address = \"tls@example.org\"\nkeep_days = 30\nfailure = \"redacted\"\n");
  REQUIRE(reading.errors.empty());
  CHECK(reading.config.reports.contact == "reports@example.org");
  CHECK(reading.config.reports.keep_days == 30);
  CHECK(reading.config.reports.failure == FailureReports::redacted);
  for (const char* odd : {"contact = \"nobody\"", "contact = \"@example.org\"", "dmarc_address = \"a@b.example!10m\"", "tls_address = \"Ann <a@b.example>\"",
                          "keep_days = 0", "failure = \"some\""}) {
    CAPTURE(odd);
    CHECK(!errors_of(with_tls + "[reports]\n" + odd + "\n").empty());
  }
}

TEST_CASE("config: TLS reports by HTTPS want a listener for it") {
  const auto errors = [](const std::string& more, const std::string& protocol) {
    return errors_of(with_tls + "[reports]\ntls_https = true\n" + more + "[[listener]]\nprotocol = \"" + protocol + "\"\naddress = \"127.0.0.1:0\"\n");
  };
  CHECK(errors("", "https").empty());
  CHECK(errors("", "smtp").find("reports.tls_https needs a listener") != std::string::npos);
  CHECK(errors("enabled = false\n", "https").find("reports.tls_https needs reports.enabled") != std::string::npos);
  CHECK(errors_of(with_tls + "[reports]\ntls_https = true\n").empty());  // one of the usual listeners
}

TEST_CASE("config: the policies are read, in sections of sections") {
  using namespace keystonemail::policies;
  const auto reading = read_config(with_tls + R"(
[policy]
exempt = []
helo_syntax = true
sender_own_domain = true
tarpit_seconds = 0
[policy.access]
clients = { "192.0.2.0/24" = "reject" }
[policy.access.senders]
"spam.example" = "reject 5.7.1 No more"
"@" = "allow"
[policy.rates]
messages = 7
[policy.lists]
reject = 20
quarantine = 9
timeout_seconds = 3
[[policy.list]]
zone = "BL.example.net"
codes = ["127.0.0.2", "127.0.0.4-127.0.0.7"]
[[policy.list]]
zone = "names.example.net"
of = "sender"
weight = -5
self_test = false
[policy.greylist]
enabled = true
delay_seconds = 60
remember_days = 7
[policy.sending]
recipients_per_hour = 20
suspend_at = 0
[limits]
recipients = 5
message_size_trusted = 9000000
)");
  CHECK(describe(reading.errors, "f") == "f:15: policy.access.senders \"@\" is neither an address nor a domain\n");
  const PolicyConfig& policy = reading.config.policy;
  CHECK(policy.exempt.empty());
  CHECK(policy.helo.require_syntax);
  CHECK(policy.sender.refuse_own_domain);
  CHECK(policy.tarpit.step.count() == 0);
  REQUIRE(policy.access.find(AccessScope::client, "192.0.2.9"));
  CHECK(policy.rates.messages_per_minute == 7);
  CHECK(policy.lists.reject_at == 20);
  CHECK(policy.lists.quarantine_at == 9);
  CHECK(policy.lists.time_max == std::chrono::seconds(3));
  REQUIRE(policy.lists.lists.size() == 2);
  CHECK(policy.lists.lists[0].zone == "bl.example.net");
  CHECK(policy.lists.lists[0].codes.size() == 2);
  CHECK(policy.lists.lists[1].of == ListedThing::sender);
  CHECK(policy.lists.lists[1].weight == -5);
  CHECK_FALSE(policy.lists.lists[1].self_test);
  CHECK(policy.greylist);
  CHECK(policy.greylisting.delay == std::chrono::minutes(1));
  CHECK(policy.greylisting.remembered == std::chrono::hours(7 * 24));
  CHECK(policy.sending.usual.recipients_per_hour == 20);
  CHECK(policy.sending.suspend_at == 0);
  CHECK(reading.config.limits.recipients == 5);
  CHECK(reading.config.limits.message_size_trusted == 9'000'000);
}

TEST_CASE("config: what is wrong with a policy is told at its line") {
  CHECK(errors_of(with_tls + "[policy]\nrats = 1\n") == "f:8: unknown key policy.rats; did you mean rates?\n");
  CHECK(errors_of(with_tls + "[policy]\nrates = 1\n") == "f:8: policy.rates is a section: write [policy.rates]\n");
  CHECK(errors_of(with_tls + "[policy.rates]\nmesages = 1\n") == "f:8: unknown key policy.rates.mesages; did you mean messages?\n");
  CHECK(errors_of(with_tls + "[[policy.list]]\nof = \"sender\"\n") == "f:7: this list has no zone\n");
  CHECK(errors_of(with_tls + "[policy.list]\nzone = \"x.example\"\n") == "f:7: policy.list is a list of sections: write [[policy.list]] for each\n");
  CHECK(errors_of(with_tls + "[[policy.list]]\nzone = \"x.example\"\ncodes = [\"192.0.2.1\"]\n") ==
        "f:9: policy.list.codes \"192.0.2.1\" is no answer of a list: they are within 127.0.0.0/8\n");
  CHECK(errors_of(with_tls + "[policy.access]\nrecipients = { \"a@b.example\" = \"refuse\" }\n") ==
        "f:8: policy.access.recipients of \"a@b.example\": must begin with allow, reject, defer, discard, quarantine or redirect\n");
  CHECK(errors_of(with_tls + "[policy.greylist]\ndelay_seconds = 0\n") == "f:8: policy.greylist.delay_seconds must be between 1 and 86400\n");
}

TEST_CASE("config: the web has TLS from the start or none, and logins are not for it") {
  const auto listener = [](const char* rest) { return with_tls + "[[listener]]\naddress = \"127.0.0.1:0\"\n" + rest; };
  const auto reading = read_config(listener("protocol = \"https\"\n") + "[[listener]]\naddress = \"127.0.0.1:0\"\nprotocol = \"http\"\n");
  REQUIRE(describe(reading.errors, "f") == "");
  CHECK(reading.config.listeners[0].tls == TlsUse::implicit);
  CHECK(reading.config.listeners[1].tls == TlsUse::none);
  CHECK(errors_of(listener("protocol = \"https\"\ntls = \"none\"\n")).contains("must be \"implicit\" for https"));
  CHECK(errors_of(listener("protocol = \"http\"\ntls = \"implicit\"\n")).contains("must be \"none\" for http"));
  CHECK(errors_of(listener("protocol = \"https\"\nclient_certificates = true\n")).contains("nobody logs in to https"));
}

TEST_CASE("config: the MTA-STS policy has a mode and an age within RFC 8461's") {
  const auto reading = read_config(with_tls + "[mta_sts]\nmode = \"testing\"\nmax_age = \"14d\"\n");
  REQUIRE(describe(reading.errors, "f") == "");
  CHECK(reading.config.mta_sts == MtaStsConfig{MtaStsMode::testing, std::chrono::days(14)});
  for (const char* age : {"1h", "366d", "0d", "x"}) CHECK(errors_of(with_tls + "[mta_sts]\nmax_age = \"" + age + "\"\n").contains("must be a time between"));
  CHECK(errors_of(with_tls + "[mta_sts]\nmode = \"enforced\"\n").contains("did you mean \"enforce\"?"));
}

TEST_CASE("config: certificates are added to that of [tls], each whole") {
  const auto reading = read_config(with_tls + "[[certificate]]\nchain = \"/a\"\nprivate_key = \"/b\"\n[[certificate]]\nchain = \"/c\"\nprivate_key = { env = \"D\" }\n");
  REQUIRE(describe(reading.errors, "f") == "");
  const auto all = all_certificates(reading.config);
  REQUIRE(all.size() == 3);
  CHECK(all[0].chain == reading.config.certificate);
  CHECK(all[0].line == 0);
  CHECK(all[1].chain == "/a");
  CHECK(all[1].private_key == SecretSource{SecretSource::Kind::file, "/b"});
  CHECK(all[1].line > 0);
  CHECK(all[2].private_key == SecretSource{SecretSource::Kind::environment, "D"});
  CHECK(errors_of(with_tls + "[[certificate]]\nchain = \"/a\"\n").contains("this certificate has no private_key"));
  CHECK(errors_of(with_tls + "[[certificate]]\nprivate_key = \"/a\"\n").contains("this certificate has no chain"));
  CHECK(errors_of(with_tls + "[certificate]\nchain = \"/a\"\n").contains("write [[certificate]] for each"));
  CHECK(errors_of(minimal + "[[certificate]]\nchain = \"/a\"\nprivate_key = \"/b\"\n").contains("beside that of [tls], which is missing"));
}

TEST_CASE("config: an address has one listener") {
  const std::string first = with_tls + "[[listener]]\nprotocol = \"imap\"\naddress = \"127.0.0.1:143\"\n";
  CHECK(errors_of(first + "[[listener]]\nprotocol = \"smtp\"\naddress = \"127.0.0.1:143\"\n").contains("127.0.0.1:143 is that of the listener at line"));
  CHECK(errors_of(first + "[[listener]]\nprotocol = \"smtp\"\naddress = \"127.0.0.2:143\"\n[[listener]]\nprotocol = \"imap\"\naddress = \"127.0.0.1:144\"\n").empty());
  const std::string any = "[[listener]]\nprotocol = \"imap\"\naddress = \"127.0.0.1:0\"\n";
  CHECK(errors_of(with_tls + any + any).empty());
}

TEST_CASE("config: webhooks go to https, or to this machine, each to a URL of its own") {
  const auto reading = read_config(with_tls + "[[webhook]]\nurl = \"https://A.example/x\"\nevents = [\"failed\", \"delayed\"]\nsecret = \"/s\"\n[[webhook]]\nurl = \"http://[::1]:8080\"\n");
  REQUIRE(describe(reading.errors, "f") == "");
  REQUIRE(reading.config.webhooks.size() == 2);
  CHECK(reading.config.webhooks[0].url == "https://a.example/x");
  CHECK(reading.config.webhooks[0].events == std::vector{WebhookEvent::failed, WebhookEvent::delayed});
  CHECK(reading.config.webhooks[0].secret == SecretSource{SecretSource::Kind::file, "/s"});
  CHECK(reading.config.webhooks[1].url == "http://[::1]:8080/");
  const auto hook = [](const char* rest) { return errors_of(with_tls + "[[webhook]]\n" + rest); };
  CHECK(hook("events = [\"failed\"]\n").contains("this webhook has no url"));
  CHECK(hook("url = \"http://a.example/\"\n").contains("in the clear"));
  CHECK(hook("url = \"http://localhost/\"\n").contains("in the clear"));
  CHECK(hook("url = \"https://user:pw@a.example/\"\n").contains("must be a URL"));
  CHECK(hook("url = \"https://a/\"\nevents = [\"deliverd\"]\n").contains("did you mean \"delivered\"?"));
  CHECK(hook("url = \"https://a/\"\n[[webhook]]\nurl = \"https://a\"\n").contains("has the url of another"));
  CHECK(errors_of(with_tls + "[webhook]\nurl = \"https://a/\"\n").contains("write [[webhook]] for each"));
}

TEST_CASE("config: routes, rates, source addresses and forwarding are read, and what is wrong with them is said at its line") {
  const auto reading = read_config(with_tls + R"([relay]
messages_per_minute = 600
rates = { "example.net" = "60" }
source_address4 = "192.0.2.1"
source_address6 = "2001:db8::1"
[queue]
messages_per_account = 5
octets_per_account = 4096
account_messages_per_minute = 30
[forwarding]
rewrite = false
domain = "Forward.Example.org"
seal = false
[[route]]
domains = ["example.net", ".example.com"]
host = "smtp.example.net:587"
login = "us"
password = { env = "SMARTHOST" }
tls = "required"
[[route]]
domains = ["lists.example.org"]
host = "lmtp:127.0.0.1:24"
)");
  CHECK(describe(reading.errors, "f") == "");
  CHECK(reading.config.relay.messages_per_minute == 600);
  CHECK(reading.config.relay.rates.at("example.net") == "60");
  CHECK(reading.config.relay.source_address6 == "2001:db8::1");
  CHECK(reading.config.queue.octets_per_account == 4096);
  CHECK(!reading.config.forwarding.rewrite);
  CHECK(reading.config.forwarding.domain == "forward.example.org");
  REQUIRE(reading.config.routes.size() == 2);
  CHECK(reading.config.routes[0].domains == std::vector<std::string>{"example.net", ".example.com"});
  CHECK(reading.config.routes[0].tls == RelayTls::required);
  CHECK(reading.config.routes[0].password.name == "SMARTHOST");
  CHECK(reading.config.routes[1].host == "lmtp:127.0.0.1:24");
  const std::string lines = errors_of(with_tls + "[relay]\nsource_address4 = \"::1\"\nrates = { \"x\" = \"many\" }\n[[route]]\ndomains = [\"a.test\"]\nlogin = \"us\"\n");
  CHECK(lines.find("f:8: relay.source_address4 must be an IPv4 address") != std::string::npos);
  CHECK(lines.find("f:9: relay.rates \"many\" is not a number of messages in a minute") != std::string::npos);
  CHECK(lines.find("this route has no host") != std::string::npos);
  CHECK(lines.find("route.login needs route.password") != std::string::npos);
}
