// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/http/fault.hpp"

namespace keystonemail::http {

std::string_view to_string(Fault fault) noexcept {
  switch (fault) {
    case Fault::bad_start_line: return "bad start line";
    case Fault::bad_target: return "bad request target";
    case Fault::bad_version: return "unsupported version";
    case Fault::bad_field: return "bad header field";
    case Fault::folded_line: return "folded header field";
    case Fault::bare_line_end: return "bare line feed or carriage return";
    case Fault::start_line_too_long: return "start line too long";
    case Fault::head_too_large: return "header too large";
    case Fault::bad_host: return "bad Host";
    case Fault::bad_length: return "bad Content-Length";
    case Fault::length_conflict: return "Content-Length and Transfer-Encoding conflict";
    case Fault::bad_transfer_coding: return "bad Transfer-Encoding";
    case Fault::unknown_transfer_coding: return "unknown transfer coding";
    case Fault::unknown_expectation: return "unknown expectation";
    case Fault::unknown_method: return "unknown method";
    case Fault::bad_chunk: return "bad chunk";
    case Fault::trailers_too_large: return "trailers too large";
    case Fault::body_too_large: return "body too large";
    case Fault::unexpected_message: return "unexpected message";
    case Fault::truncated: return "truncated";
    case Fault::timed_out: return "timed out";
  }
  __builtin_unreachable();
}

unsigned status_for(Fault fault) noexcept {
  switch (fault) {
    case Fault::bad_start_line:
    case Fault::bad_target:
    case Fault::bad_field:
    case Fault::folded_line:
    case Fault::bare_line_end:
    case Fault::bad_host:
    case Fault::bad_length:
    case Fault::length_conflict:
    case Fault::bad_transfer_coding:
    case Fault::bad_chunk: return 400;
    case Fault::timed_out: return 408;
    case Fault::body_too_large: return 413;
    case Fault::start_line_too_long: return 414;
    case Fault::unknown_expectation: return 417;
    case Fault::head_too_large:
    case Fault::trailers_too_large: return 431;
    case Fault::unknown_transfer_coding:
    case Fault::unknown_method: return 501;
    case Fault::bad_version: return 505;
    case Fault::unexpected_message:
    case Fault::truncated: return 0;
  }
  __builtin_unreachable();
}

std::string_view reason_phrase(unsigned status) noexcept {
  switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 203: return "Non-Authoritative Information";
    case 204: return "No Content";
    case 205: return "Reset Content";
    case 206: return "Partial Content";
    case 300: return "Multiple Choices";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 426: return "Upgrade Required";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
  }
}

}  // namespace keystonemail::http
