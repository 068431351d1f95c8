// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "xml/parser.hpp"

#include <expat.h>

#include <memory>
#include <new>
#include <optional>
#include <string>
#include <type_traits>

#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/charset.hpp"

namespace keystonemail::xml {
namespace {

struct ParserDeleter {
  void operator()(XML_Parser parser) const noexcept { XML_ParserFree(parser); }
};
using ParserPointer = std::unique_ptr<std::remove_pointer_t<XML_Parser>, ParserDeleter>;

// What expat's callbacks are given.
class Run {
 public:
  Run(XML_Parser parser, Handler& handler) : parser_(parser), handler_(handler) {}

  static void XMLCALL begin(void* self, const XML_Char* name, const XML_Char**) { static_cast<Run*>(self)->on_begin(name); }
  static void XMLCALL end(void* self, const XML_Char* name) { static_cast<Run*>(self)->on_end(name); }
  static void XMLCALL text(void* self, const XML_Char* octets, int count) {
    static_cast<Run*>(self)->on_text({octets, static_cast<std::size_t>(count)});
  }
  static void XMLCALL document_type(void* self, const XML_Char*, const XML_Char*, const XML_Char*, int) {
    static_cast<Run*>(self)->stop(Error(ErrorKind::invalid, "the document has a type declaration"));
  }
  // A charset that expat does not know: a table of its 256 characters.
  static int XMLCALL encoding(void*, const XML_Char* name, XML_Encoding* info) {
    if (!codec::is_known_charset(name)) return XML_STATUS_ERROR;
    for (int octet = 0; octet < 256; ++octet) {
      const char c = static_cast<char>(octet);
      const auto point = decode_utf8(codec::to_utf8(std::string_view(&c, 1), name));
      info->map[octet] = point ? static_cast<int>(point->value) : -1;
    }
    info->data = nullptr;
    info->convert = nullptr;
    info->release = nullptr;
    return XML_STATUS_OK;
  }

  [[nodiscard]] bool stopped() const noexcept { return error_.has_value(); }
  [[nodiscard]] Error take_error() { return *std::move(error_); }

 private:
  void stop(Error error) {
    if (!stopped()) error_ = std::move(error);
    (void)XML_StopParser(parser_, XML_FALSE);
  }
  void on_begin(std::string_view name) {
    if (stopped()) return;
    if (++depth_ > limits::depth_max) return stop(Error(ErrorKind::too_large, "the document is too deep"));
    if (++elements_ > limits::elements_max) return stop(Error(ErrorKind::too_large, "the document has too many elements"));
    text_.clear();
    handler_.begin(name);
  }
  void on_end(std::string_view name) {
    if (stopped()) return;
    --depth_;
    handler_.end(name, text_);
    text_.clear();
  }
  void on_text(std::string_view octets) {
    if (stopped() || text_.size() >= limits::text_octets_max) return;
    text_.append(octets.substr(0, limits::text_octets_max - text_.size()));
  }

  XML_Parser parser_;
  Handler& handler_;
  std::optional<Error> error_;
  std::string text_;
  std::size_t depth_ = 0, elements_ = 0;
};

}  // namespace

Result<void> parse(std::string_view document, Handler& handler) {
  static_assert(std::is_same_v<XML_Char, char>);
  if (document.size() > limits::document_octets_max) return fail(ErrorKind::too_large, "the document is too large");
  const ParserPointer parser(XML_ParserCreate(nullptr));
  if (!parser) throw std::bad_alloc();
  Run run(parser.get(), handler);
  XML_SetUserData(parser.get(), &run);
  XML_SetElementHandler(parser.get(), Run::begin, Run::end);
  XML_SetCharacterDataHandler(parser.get(), Run::text);
  XML_SetStartDoctypeDeclHandler(parser.get(), Run::document_type);
  XML_SetUnknownEncodingHandler(parser.get(), Run::encoding, nullptr);
  const XML_Status status = XML_Parse(parser.get(), document.data(), static_cast<int>(document.size()), XML_TRUE);
  if (run.stopped()) return std::unexpected(run.take_error());
  if (status == XML_STATUS_OK) return {};
  const XML_Error code = XML_GetErrorCode(parser.get());
  if (code == XML_ERROR_NO_MEMORY) throw std::bad_alloc();
  return fail(ErrorKind::invalid, "the document is no XML",
              std::string(XML_ErrorString(code)) + " in line " + std::to_string(XML_GetCurrentLineNumber(parser.get())));
}

}  // namespace keystonemail::xml
