// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// HttpsFetcher: the fetcher on the DNS, connections and TLS (RFC 9110, RFC 9112). One connection for each request.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/http/client_session.hpp"
#include "keystonemail/http/message.hpp"
#include "keystonemail/resolver/resolver.hpp"
#include "keystonemail/service/web/fetcher.hpp"
#include "keystonemail/tls/context.hpp"
#include "keystonemail/transport/listener.hpp"

namespace keystonemail::web {

struct HttpsFetcherOptions {
  std::string user_agent = "Keystone-Mail";
  http::ClientOptions engine = {};
  std::chrono::seconds connect_timeout{10};     // to one address
  std::chrono::seconds handshake_timeout{20};
  std::size_t addresses_max = 6;                // tried for one request
  std::vector<IpNetwork> denied = {};           // for Reach::public_only, besides what is not public: our own addresses
};

// The options of `base` for a fetcher: it speaks HTTP/1.1 (RFC 7301).
[[nodiscard]] tls::ClientOptions fetcher_tls(tls::ClientOptions base);

// A name is looked up once, and the connection goes to what that gave: no second answer can lead elsewhere (attack G5). Certificates are
// always checked, before anything is sent.
//
// Ownership: borrows resolver and connector. Threads: those of the connector. Limits: FetchRequest's; one connection for each call.
class HttpsFetcher final : public Fetcher {
 public:
  // `tls` is made with fetcher_tls().
  HttpsFetcher(HttpsFetcherOptions options, resolver::Resolver& resolver, transport::Connector& connector,
               std::shared_ptr<const tls::ClientContext> tls);

  [[nodiscard]] Task<FetchResult> fetch(FetchRequest request, Context context) override;

 private:
  using Stream = std::unique_ptr<transport::ByteStream>;
  template <class T>
  using Fetched = std::expected<T, FetchError>;

  [[nodiscard]] Task<FetchResult> fetch_one(const FetchRequest& request, const http::Url& url, Context context);
  [[nodiscard]] Task<Fetched<std::vector<IpAddress>>> find_addresses(const FetchRequest& request, const http::Url& url, Context context);
  [[nodiscard]] Task<Fetched<Stream>> connect(std::vector<IpAddress> addresses, const http::Url& url, Context context);
  [[nodiscard]] Task<Fetched<Stream>> secure(Stream stream, const http::Url& url, Context context);
  [[nodiscard]] Task<FetchResult> exchange(transport::ByteStream& stream, const FetchRequest& request, const http::Url& url, Context context);
  [[nodiscard]] bool may_reach(const IpAddress& address) const noexcept;

  const HttpsFetcherOptions options_;
  resolver::Resolver& resolver_;
  transport::Connector& connector_;
  std::shared_ptr<const tls::ClientContext> tls_;
};

}  // namespace keystonemail::web
