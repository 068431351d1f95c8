// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// FakeFetcher: a web of scripted answers.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "keystonemail/service/web/fetcher.hpp"

namespace keystonemail::test {

class FakeFetcher final : public web::Fetcher {
 public:
  std::vector<web::FetchRequest> requests;  // what was asked, in order
  std::chrono::milliseconds delay{0};       // before each answer

  // Answers in turn; the last again and again. A URL without any is name_not_found.
  void answer(const std::string& url, unsigned status, std::string body, http::Fields headers = {}) {
    web::FetchResponse response{.status = status, .headers = std::move(headers), .body = std::move(body)};
    answers_[url].push_back(std::move(response));
  }
  void fail(const std::string& url, web::FetchFault fault, std::string detail = {}) {
    answers_[url].push_back(std::unexpected(web::FetchError(fault, std::move(detail))));
  }
  void forget(const std::string& url) { answers_.erase(url); }

  Task<web::FetchResult> fetch(web::FetchRequest request, Context context) override {
    const std::string url = request.url;
    const std::size_t octets_max = request.octets_max;
    requests.push_back(std::move(request));
    if (delay.count() != 0) co_await sleep_until(context.executor->now() + delay, context);
    const auto found = answers_.find(url);
    if (found == answers_.end()) co_return std::unexpected(web::FetchError(web::FetchFault::name_not_found, url));
    web::FetchResult result = found->second.front();
    if (found->second.size() > 1) found->second.pop_front();
    if (result && result->body.size() > octets_max) co_return std::unexpected(web::FetchError(web::FetchFault::too_large, url));
    co_return result;
  }

 private:
  std::map<std::string, std::deque<web::FetchResult>> answers_;
};

}  // namespace keystonemail::test
