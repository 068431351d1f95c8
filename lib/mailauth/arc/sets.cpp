// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "mailauth/arc/sets.hpp"

#include <algorithm>

#include "base/format.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/mailauth/tag_list.hpp"
#include "mailauth/dkim/signature_reader.hpp"

namespace keystonemail::mailauth::arc {
namespace {

constexpr const char* seal_name = "arc-seal";
constexpr const char* message_signature_name = "arc-message-signature";
constexpr const char* results_name = "arc-authentication-results";

// RFC 8617 §4.1.1: ARC-Authentication-Results begins with "i=1;". 0: it does not.
unsigned results_instance(std::string_view value) {
  const std::string tag = without_white_space(value.substr(0, value.find(';')));
  if (!tag.starts_with("i=") || value.find(';') == std::string_view::npos) return 0;
  return static_cast<unsigned>(parse_decimal(std::string_view(tag).substr(2), limits::sets_max).value_or(0));
}

std::optional<ChainStatus> chain_status(std::string_view word) {
  for (const ChainStatus status : {ChainStatus::none, ChainStatus::pass, ChainStatus::fail}) {
    if (iequals(word, to_string(status))) return status;
  }
  return std::nullopt;
}

// RFC 8617 §4.1.3.
std::optional<dkim::Problem> read_seal(std::string_view value, SetFields& set) {
  const auto tags = TagList::parse(value);
  if (!tags) return dkim::permanent(tags.error().text());
  set.sealing.header = dkim::Canonicalization::relaxed;
  set.status = chain_status(tags->value("cv").value_or(""));
  std::optional<dkim::Problem> problem;
  for (const auto read : {dkim::read_instance, dkim::read_key_name, dkim::read_value, dkim::read_algorithm, dkim::read_times}) {
    auto found = read(*tags, set.sealing);
    if (!problem) problem = std::move(found);
  }
  if (!problem && tags->find("h")) problem = dkim::permanent("ARC-Seal has h=");
  if (!problem && !set.status) problem = dkim::permanent("bad cv= tag");
  return problem;
}

// Puts a field in its set; `place` is which of the three it is.
void put(Collection& out, unsigned instance, const mime::Field& field, const mime::Field* SetFields::*place) {
  if (instance == 0) {
    if (out.problem.empty()) out.problem = "bad instance";
    return;
  }
  out.highest = std::max(out.highest, instance);
  if (out.sets.size() < instance) out.sets.resize(instance);
  SetFields& set = out.sets[instance - 1];
  if (set.*place && out.problem.empty()) out.problem = format("instance {} stands twice", instance);
  set.*place = &field;
}

void collect_seals(const HeaderFields& fields, Collection& out) {
  for (const std::uint32_t position : fields.named(seal_name)) {
    const mime::Field& field = fields.fields()[position];
    SetFields read;
    const auto problem = read_seal(field.value, read);
    if (problem && out.problem.empty()) out.problem = "ARC-Seal: " + problem->reason;
    const unsigned instance = read.sealing.instance;
    put(out, instance, field, &SetFields::seal);
    if (instance == 0) continue;
    out.sets[instance - 1].sealing = std::move(read.sealing);
    out.sets[instance - 1].status = read.status;
  }
}

void collect_message_signatures(const HeaderFields& fields, Collection& out) {
  for (const std::uint32_t position : fields.named(message_signature_name)) {
    const mime::Field& field = fields.fields()[position];
    auto reading = dkim::read_signature(field.value, dkim::SignatureField::arc_message_signature);
    if (reading.problem && out.problem.empty()) out.problem = "ARC-Message-Signature: " + reading.problem->reason;
    const unsigned instance = reading.signature.instance;
    put(out, instance, field, &SetFields::message_signature);
    if (instance != 0) out.sets[instance - 1].message = std::move(reading.signature);
  }
}

void collect_results(const HeaderFields& fields, Collection& out) {
  for (const std::uint32_t position : fields.named(results_name)) {
    const mime::Field& field = fields.fields()[position];
    put(out, results_instance(field.value), field, &SetFields::results);
  }
}

// RFC 8617 §5.2 step 3.
std::string check_structure(const Collection& collection) {
  for (std::size_t i = 0; i < collection.sets.size(); ++i) {
    const SetFields& set = collection.sets[i];
    if (!set.results || !set.message_signature || !set.seal) return format("instance {} is not whole", i + 1);
    const ChainStatus wanted = i == 0 ? ChainStatus::none : ChainStatus::pass;
    if (set.status != wanted) return format("instance {} has a wrong cv=", i + 1);
  }
  return {};
}

}  // namespace

Collection collect(const HeaderFields& fields) {
  Collection out;
  const std::size_t most = std::max({fields.named(seal_name).size(), fields.named(message_signature_name).size(),
                                     fields.named(results_name).size()});
  out.any = most != 0;
  if (most > limits::sets_max) {
    out.highest = limits::sets_max;
    out.problem = "more than 50 sets";
    return out;
  }
  collect_seals(fields, out);
  collect_message_signatures(fields, out);
  collect_results(fields, out);
  out.sealed_as_failed = out.highest != 0 && out.sets[out.highest - 1].status == ChainStatus::fail;
  if (out.sealed_as_failed) out.problem = "sealed as failed";
  if (out.problem.empty()) out.problem = check_structure(out);
  return out;
}

crypto::Sha256Value SealDigests::next(const mime::Field& results, const mime::Field& message_signature, const mime::Field& seal,
                                      const dkim::Signature& signature) {
  std::string text;
  dkim::append_canonical_field(text, results, dkim::Canonicalization::relaxed);
  dkim::append_canonical_field(text, message_signature, dkim::Canonicalization::relaxed);
  before_.update(text);
  crypto::Digester digester = before_;
  text.clear();
  dkim::append_signed_form(text, seal, signature);
  digester.update(text);
  text.clear();
  dkim::append_canonical_field(text, seal, dkim::Canonicalization::relaxed);
  before_.update(text);
  return digester.finish_sha256();
}

}  // namespace keystonemail::mailauth::arc
