// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/web/https_fetcher.hpp"

#include <algorithm>
#include <utility>

#include "keystonemail/base/text.hpp"
#include "keystonemail/http/limits.hpp"
#include "keystonemail/transport/tls_stream.hpp"

namespace keystonemail::web {
namespace {

using http::Url;
using Failure = std::unexpected<FetchError>;

constexpr auto fetch_farewell_time = std::chrono::seconds(2);

Failure failure(FetchFault fault, std::string detail) { return Failure(FetchError(fault, std::move(detail))); }

std::string words_of(const Error& error) { return error.detail().empty() ? error.describe() : error.detail(); }

// An error of a port, at a stage whose own fault is `otherwise`.
Failure failure(const Error& error, FetchFault otherwise, const std::string& where, const Context& context) {
  if (error.kind() == ErrorKind::cancelled) return failure(FetchFault::cancelled, where);
  const bool late = error.kind() == ErrorKind::timeout && context.executor->now() >= context.deadline;
  return failure(late ? FetchFault::timeout : otherwise, where + ": " + words_of(error));
}

// What cannot be sent, if anything.
std::optional<std::string> problem_with(const FetchRequest& request) {
  if (!http::is_token(request.method) || request.method == "CONNECT") return "method";
  for (const http::Field& field : request.headers) {
    if (!http::is_token(field.name) || !http::is_field_value(field.value)) return "header " + field.name;
    for (const std::string_view ours : {"Host", "Content-Length", "Transfer-Encoding", "Connection", "Expect", "Trailer", "TE", "Upgrade"}) {
      if (iequals(field.name, ours)) return "header " + field.name;
    }
  }
  return std::nullopt;
}

std::optional<FetchError> problem_with(const FetchRequest& request, const std::optional<Url>& url) {
  if (!url) return FetchError(FetchFault::bad_request, "no URL of the web: " + request.url.substr(0, http::limits::url_octets_max));
  if (url->scheme != "https" && request.scheme == Scheme::https_only) return FetchError(FetchFault::bad_request, "not https: " + url->to_string());
  // Ports of other services would be spoken to in a language that some of them half understand.
  if (request.reach == Reach::public_only && url->port() != 443 && url->port() != 8443) return FetchError(FetchFault::address_denied, "port " + std::to_string(url->port()));
  return std::nullopt;
}

bool redirects(unsigned status) noexcept { return status == 301 || status == 302 || status == 303 || status == 307 || status == 308; }

// RFC 9110 §10.2.2: Location = URI-reference. Of relative ones those with a path from the root.
std::optional<Url> location(const FetchResponse& response, const Url& from) {
  const std::string* const value = http::find(response.headers, "Location");
  if (value == nullptr) return std::nullopt;
  if (!value->starts_with('/') || value->starts_with("//")) return Url::parse(*value);
  return Url::parse(from.scheme + "://" + from.authority.to_string() + *value);
}

void add_addresses(std::vector<IpAddress>& all, const dns::Answer& answer) {
  for (const dns::RecordData& data : answer.records) {
    if (const auto* a = std::get_if<dns::A>(&data)) all.push_back(a->address);
    if (const auto* aaaa = std::get_if<dns::Aaaa>(&data)) all.push_back(aaaa->address);
  }
}

http::RequestHead head_of(const FetchRequest& request, const Url& url, const std::string& user_agent) {
  http::RequestHead head{.method = request.method, .target = url.target, .authority = url.authority, .fields = request.headers};
  if (http::find(head.fields, "User-Agent") == nullptr) head.fields.push_back({"User-Agent", user_agent});
  head.fields.push_back({"Connection", "close"});
  return head;
}

FetchFault fault_of(http::Fault fault) noexcept {
  if (fault == http::Fault::timed_out) return FetchFault::timeout;
  if (fault == http::Fault::head_too_large || fault == http::Fault::trailers_too_large || fault == http::Fault::start_line_too_long) return FetchFault::too_large;
  return FetchFault::protocol;
}

}  // namespace

tls::ClientOptions fetcher_tls(tls::ClientOptions base) {
  base.application_protocols = {"http/1.1"};
  return base;
}

HttpsFetcher::HttpsFetcher(HttpsFetcherOptions options, resolver::Resolver& resolver, transport::Connector& connector,
                           std::shared_ptr<const tls::ClientContext> tls)
    : options_(std::move(options)), resolver_(resolver), connector_(connector), tls_(std::move(tls)) {}

Task<FetchResult> HttpsFetcher::fetch(FetchRequest request, Context context) {
  const Context limited = context.until(std::min(context.deadline, context.executor->now() + request.time_max));
  if (const auto problem = problem_with(request)) co_return failure(FetchFault::bad_request, *problem);
  auto url = Url::parse(request.url);
  for (unsigned redirected = 0;; ++redirected) {
    if (auto problem = problem_with(request, url)) co_return Failure(*std::move(problem));
    auto result = co_await fetch_one(request, *url, limited);
    if (!result || request.redirects_max == 0 || !redirects(result->status)) co_return result;
    if (redirected == request.redirects_max) co_return failure(FetchFault::redirects, "more than " + std::to_string(redirected));
    auto next = location(*result, *url);
    if (!next || (url->scheme == "https" && next->scheme != "https")) co_return failure(FetchFault::redirects, "from " + url->to_string() + " to nowhere");
    if (result->status == 303 || (request.method == "POST" && result->status < 303)) {  // RFC 9110 §15.4
      request.method = "GET";
      request.body.clear();
    }
    if (next->authority != url->authority) request.headers.clear();  // they were for another
    url = std::move(next);
  }
}

Task<FetchResult> HttpsFetcher::fetch_one(const FetchRequest& request, const Url& url, Context context) {
  auto addresses = co_await find_addresses(request, url, context);
  if (!addresses) co_return Failure(std::move(addresses).error());
  auto stream = co_await connect(*std::move(addresses), url, context);
  if (!stream) co_return Failure(std::move(stream).error());
  if (url.scheme == "https") {
    auto secured = co_await secure(*std::move(stream), url, context);
    if (!secured) co_return Failure(std::move(secured).error());
    stream = *std::move(secured);
  }
  auto result = co_await exchange(**stream, request, url, context);
  const Context brief = context.until(context.executor->now() + fetch_farewell_time);
  if (result) co_await (*stream)->close(brief);
  co_return result;
}

bool HttpsFetcher::may_reach(const IpAddress& address) const noexcept {
  return address.is_public() && std::ranges::none_of(options_.denied, [&](const IpNetwork& network) { return network.contains(address); });
}

// Once, and what it gives is where the connection goes (attack G5).
Task<HttpsFetcher::Fetched<std::vector<IpAddress>>> HttpsFetcher::find_addresses(const FetchRequest& request, const Url& url, Context context) {
  const std::string& host = url.authority.host;
  std::vector<IpAddress> addresses;
  bool unsure = false;
  if (const auto literal = IpAddress::parse(host)) {
    addresses.push_back(*literal);
  } else {
    const auto name = dns::Name::from_domain(host);
    if (!name) co_return failure(FetchFault::bad_request, "no domain: " + host);
    dns::Question four{.name = *name, .type = dns::RecordType::a}, six{.name = *name, .type = dns::RecordType::aaaa};
    Task<Result<dns::Answer>> asked_four = resolver_.resolve(std::move(four), context);
    Task<Result<dns::Answer>> asked_six = resolver_.resolve(std::move(six), context);
    const auto by_four = co_await asked_four;
    const auto by_six = co_await asked_six;
    for (const Result<dns::Answer>* answer : {&by_four, &by_six}) {  // IPv4 first: a broken IPv6 does not stand in the way
      if (!*answer) co_return failure(answer->error(), FetchFault::name_unavailable, host, context);
      add_addresses(addresses, **answer);
      unsure = unsure || dns::is_temporary((*answer)->status);
    }
    if (addresses.empty() && unsure) co_return failure(FetchFault::name_unavailable, host + ": " + std::string(to_string(dns::is_temporary(by_four->status) ? by_four->status : by_six->status)));
    if (addresses.empty()) co_return failure(FetchFault::name_not_found, host + ": " + std::string(to_string(by_four->status)));
  }
  if (request.reach == Reach::public_only) std::erase_if(addresses, [&](const IpAddress& address) { return !may_reach(address); });
  if (addresses.empty()) co_return failure(FetchFault::address_denied, host);
  if (addresses.size() > options_.addresses_max) addresses.resize(options_.addresses_max);
  co_return addresses;
}

Task<HttpsFetcher::Fetched<HttpsFetcher::Stream>> HttpsFetcher::connect(std::vector<IpAddress> addresses, const Url& url, Context context) {
  std::string tried;
  for (const IpAddress& address : addresses) {
    const Endpoint endpoint{address, url.port()};
    const Context attempt = context.until(std::min(context.deadline, context.executor->now() + options_.connect_timeout));
    auto stream = co_await connector_.connect(endpoint, attempt);
    if (stream) co_return *std::move(stream);
    auto failed = failure(stream.error(), FetchFault::connect, endpoint.to_string(), context);
    if (failed.error().fault() != FetchFault::connect) co_return failed;
    tried += (tried.empty() ? "" : "; ") + failed.error().detail();
  }
  co_return failure(FetchFault::connect, tried);
}

Task<HttpsFetcher::Fetched<HttpsFetcher::Stream>> HttpsFetcher::secure(Stream stream, const Url& url, Context context) {
  const std::string where = url.authority.host + " at " + stream->peer().to_string();
  if (!tls_) co_return failure(FetchFault::tls, "TLS is not set up here");
  // Looked at here, and not by the handshake, as this is how the outcome is known. Nothing is sent before.
  tls::ClientRequest request{.server_name = url.authority.host, .verification = tls::Verification::opportunistic};
  const Context handshake = context.until(std::min(context.deadline, context.executor->now() + options_.handshake_timeout));
  auto secured = co_await transport::TlsStream::connect(std::move(stream), tls_, std::move(request), transport::TlsStart::implicit, handshake);
  if (!secured) co_return failure(secured.error(), FetchFault::tls, where, context);
  const tls::Channel& channel = (*secured)->channel();
  if (channel.trust() != tls::Trust::trusted) co_return failure(FetchFault::certificate, where + ": " + std::string(to_string(channel.trust())));
  const std::string& protocol = channel.info().application_protocol;
  if (!protocol.empty() && protocol != "http/1.1") co_return failure(FetchFault::protocol, where + ": speaks " + protocol);
  co_return *std::move(secured);
}

Task<FetchResult> HttpsFetcher::exchange(transport::ByteStream& stream, const FetchRequest& request, const Url& url, Context context) {
  const std::string where = url.authority.host + " at " + stream.peer().to_string();
  Executor& executor = *context.executor;
  http::ClientSession session(options_.engine, executor.now());
  session.send(head_of(request, url, options_.user_agent), request.body.size(), http::Expectation::none, executor.now());
  FetchResponse response;
  bool writes = true;
  for (;;) {
    const http::ClientEvent event = session.next_event();
    if (std::holds_alternative<http::ClientNeedBody>(event)) {
      session.give_body(request.body, executor.now());
      session.end_body(executor.now());
    } else if (const auto* head = std::get_if<http::ClientResponse>(&event)) {
      response.status = head->head.status;
      response.headers = head->head.fields;
      if (head->body_octets.value_or(0) > request.octets_max) co_return failure(FetchFault::too_large, where);
    } else if (const auto* piece = std::get_if<http::ClientBody>(&event)) {
      if (piece->octets.size() > request.octets_max - response.body.size()) co_return failure(FetchFault::too_large, where);
      response.body += piece->octets;
    } else if (std::holds_alternative<http::ClientResponseEnd>(event)) {
      co_return response;
    } else if (const auto* closed = std::get_if<http::ClientClosed>(&event)) {
      const http::Fault fault = closed->fault.value_or(http::Fault::truncated);
      co_return failure(fault_of(fault), where + ": " + std::string(to_string(fault)));
    } else {
      session.resume(executor.now());
      const Context wait = context.until(std::min(context.deadline, session.deadline().value_or(Instant::max())));
      const std::string_view output = session.pending_output();
      std::optional<Error> lost;
      if (!output.empty() && writes) {
        const auto written = co_await stream.write({&output, 1}, wait);
        // A server that answers early and closes may be read all the same.
        if (!written && written.error().kind() != ErrorKind::unavailable) lost = written.error();
        writes = written.has_value();
        if (!lost) session.consume_output(output.size(), executor.now());
      } else {
        const auto got = co_await stream.read(wait);
        if (!got) lost = got.error();
        else if (got->empty()) session.receive_end(http::InputEnd::proper, executor.now());
        else stream.consume(session.receive(*got, executor.now()));
      }
      if (!lost) continue;
      if (lost->kind() == ErrorKind::cancelled || executor.now() >= context.deadline) co_return failure(*lost, FetchFault::protocol, where, context);
      if (lost->kind() == ErrorKind::timeout) session.expire(executor.now());
      else session.receive_end(http::InputEnd::cut, executor.now());
    }
  }
}

}  // namespace keystonemail::web
