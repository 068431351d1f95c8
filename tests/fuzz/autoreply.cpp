// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The header of a stranger: whatever it says, an answer is one message of bounded size with the fields that were meant and no others
// (attacks E4, A10), and none goes where a field forbids it.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "keystonemail/autoreply/decision.hpp"
#include "keystonemail/autoreply/reply.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/mime/header.hpp"

using namespace keystonemail;
using namespace keystonemail::autoreply;

namespace {

const std::vector<std::string> own{"anna@example.test", "info@example.test"};
constexpr std::size_t answer_octets_max = 16 * 1024;

// The names of the fields, in their order.
std::string names_of(std::string_view message) {
  std::string out;
  mime::HeaderReader reader(message);
  while (const auto field = reader.next()) out.append(field->name).append(" ");
  return out;
}

void check_answer(const std::string& text) {
  const std::string names = names_of(text);
  const bool is_plain = names == "Date From To Subject Message-ID Auto-Submitted MIME-Version Content-Type ";
  const bool is_thread = names == "Date From To Subject Message-ID In-Reply-To References Auto-Submitted MIME-Version Content-Type ";
  if (!is_plain && !is_thread) std::abort();
  if (text.size() > answer_octets_max || !is_ascii(text)) std::abort();
  if (!text.ends_with("\r\n\r\nI am away.\r\n")) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string header(reinterpret_cast<const char*>(data), size);
  const Settings settings{.enabled = true, .text = "I am away."};
  Occasion occasion{.header = header, .sender = "carol@elsewhere.test", .own = own, .proof = Proof::proven};
  const Decision decision = decide(settings, occasion);
  Answer answer{.from_name = "Anna", .from_address = "anna@example.test", .to = "carol@elsewhere.test", .hostname = "mail.example.test"};
  answer.unique = "1";
  answer.header = header;
  check_answer(build_reply(settings, answer));
  if (decision.answers()) {
    if (std::ranges::find(own, decision.address) == own.end()) std::abort();
    const std::string silenced = "List-Id: x\r\n" + header;
    occasion.header = silenced;
    if (decide(settings, occasion).silence != Silence::list) std::abort();
  }
  // The same as the reverse-path.
  occasion.header = "To: anna@example.test\r\n\r\n";
  occasion.sender = header;
  if (decide(settings, occasion).answers() && !person_key(header)) std::abort();
  return 0;
}
