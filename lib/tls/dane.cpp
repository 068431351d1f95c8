// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/tls/dane.hpp"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <new>
#include <optional>

#include "keystonemail/crypto/digest.hpp"
#include "tls/state.hpp"

namespace keystonemail::tls {

namespace {

constexpr std::uint8_t trust_anchor_usage = 2, end_entity_usage = 3;
constexpr std::uint8_t whole_certificate = 0, public_key = 1;
constexpr std::uint8_t full = 0, sha2_256 = 1, sha2_512 = 2;

bssl::UniquePtr<X509> read_certificate(std::string_view der) {
  const std::uint8_t* position = octets(der);
  bssl::UniquePtr<X509> certificate(d2i_X509(nullptr, &position, static_cast<long>(der.size())));
  ERR_clear_error();
  return position == octets(der) + der.size() ? std::move(certificate) : nullptr;
}

bssl::UniquePtr<EVP_PKEY> read_public_key(std::string_view der) {
  const std::uint8_t* position = octets(der);
  bssl::UniquePtr<EVP_PKEY> key(d2i_PUBKEY(nullptr, &position, static_cast<long>(der.size())));
  ERR_clear_error();
  return position == octets(der) + der.size() ? std::move(key) : nullptr;
}

bool is_usable(const TlsaRecord& record) {
  if (record.usage != trust_anchor_usage && record.usage != end_entity_usage) return false;
  if (record.selector > public_key) return false;
  switch (record.matching_type) {
    case full: return record.selector == whole_certificate ? read_certificate(record.data) != nullptr : read_public_key(record.data) != nullptr;
    case sha2_256: return record.data.size() == 32;
    case sha2_512: return record.data.size() == 64;
    default: return false;
  }
}

// The SubjectPublicKeyInfo as DER.
std::string key_of(X509* certificate) {
  std::uint8_t* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (size <= 0) return {};
  const bssl::UniquePtr<std::uint8_t> owned(der);
  return {reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)};
}

struct Certificate {
  std::string_view der;
  bssl::UniquePtr<X509> parsed;
  std::string key;
};

bool matches(const TlsaRecord& record, const Certificate& certificate) {
  const std::string_view selected = record.selector == public_key ? std::string_view(certificate.key) : certificate.der;
  switch (record.matching_type) {
    case full: return record.data == selected;
    case sha2_256: return record.data == crypto::digest(crypto::Hash::sha256, selected);
    case sha2_512: return record.data == crypto::digest(crypto::Hash::sha512, selected);
    default: return false;
  }
}

bool any_matches(std::span<const TlsaRecord> records, std::uint8_t usage, const Certificate& certificate) {
  return std::ranges::any_of(records, [&](const TlsaRecord& r) { return r.usage == usage && matches(r, certificate); });
}

// RFC 7671 §5.2.3: an authority may be its key alone, in the record, and its certificate not sent: what that key has signed stands for it.
std::vector<X509*> signed_by_bare_keys(std::span<const TlsaRecord> records, std::span<const Certificate> chain) {
  std::vector<X509*> found;
  std::size_t keys = 0;
  for (const TlsaRecord& record : records) {
    if (record.usage != trust_anchor_usage || record.selector != public_key || record.matching_type != full) continue;
    if (++keys > dane_limits::bare_keys_max) break;
    const auto key = read_public_key(record.data);
    for (const Certificate& certificate : chain) {
      if (key && X509_verify(certificate.parsed.get(), key.get()) == 1) found.push_back(certificate.parsed.get());
    }
  }
  ERR_clear_error();
  return found;
}

// RFC 7672 §3.2.3: the common name counts where there is no alternative name, a wildcard is the whole first label.
bool expect_names(X509_VERIFY_PARAM* parameters, std::span<const std::string> names) {
  X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  bool first = true;
  for (const std::string& name : names) {
    const auto add = std::exchange(first, false) ? X509_VERIFY_PARAM_set1_host : X509_VERIFY_PARAM_add1_host;
    if (name.empty() || add(parameters, name.data(), name.size()) != 1) return false;
  }
  return !first;
}

DaneOutcome outcome_of(int error) noexcept {
  switch (trust_of(error)) {
    case Trust::trusted: return DaneOutcome::trust_anchor;
    case Trust::wrong_name: return DaneOutcome::wrong_name;
    case Trust::expired: return DaneOutcome::expired;
    default: return DaneOutcome::untrusted;
  }
}

// From the server's certificate to one of the anchors, which alone are trusted.
DaneOutcome verify_chain(std::span<const Certificate> chain, std::span<X509* const> anchors, std::span<const std::string> names, WallTime now) {
  const bssl::UniquePtr<X509_STORE> store(X509_STORE_new());
  const bssl::UniquePtr<X509_STORE_CTX> context(X509_STORE_CTX_new());
  const bssl::UniquePtr<STACK_OF(X509)> others(sk_X509_new_null());
  if (!store || !context || !others) throw std::bad_alloc();
  for (X509* anchor : anchors) {
    if (X509_STORE_add_cert(store.get(), anchor) != 1) return DaneOutcome::untrusted;
  }
  for (const Certificate& certificate : chain.subspan(1)) (void)bssl::PushToStack(others.get(), bssl::UpRef(certificate.parsed));
  if (X509_STORE_CTX_init(context.get(), store.get(), chain.front().parsed.get(), others.get()) != 1) throw std::bad_alloc();
  (void)X509_STORE_CTX_set_default(context.get(), "ssl_server");
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context.get());
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  X509_VERIFY_PARAM_set_time(parameters, static_cast<time_t>(seconds));
  X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN);  // an anchor need not be self-signed (RFC 7671 §5.2.2)
  if (!expect_names(parameters, names)) return DaneOutcome::wrong_name;
  const bool valid = X509_verify_cert(context.get()) == 1;
  const int error = X509_STORE_CTX_get_error(context.get());
  ERR_clear_error();
  if (valid) return DaneOutcome::trust_anchor;
  return error == X509_V_OK ? DaneOutcome::untrusted : outcome_of(error);
}

}  // namespace

std::string_view to_string(DaneOutcome outcome) noexcept {
  switch (outcome) {
    case DaneOutcome::end_entity: return "DANE-EE";
    case DaneOutcome::trust_anchor: return "DANE-TA";
    case DaneOutcome::no_match: return "no TLSA record fits the certificate";
    case DaneOutcome::wrong_name: return "the certificate is for another name";
    case DaneOutcome::expired: return "the certificate has expired";
    case DaneOutcome::untrusted: return "the certificate does not lead to the authority of the TLSA record";
  }
  __builtin_unreachable();
}

std::vector<TlsaRecord> usable_tlsa(std::span<const TlsaRecord> records) {
  std::vector<TlsaRecord> usable;
  for (const TlsaRecord& record : records) {
    if (usable.size() < dane_limits::records_max && is_usable(record)) usable.push_back(record);
  }
  const std::vector<TlsaRecord> all = usable;
  std::erase_if(usable, [&](const TlsaRecord& record) {  // RFC 7671 §9: digest algorithm agility
    return record.matching_type == sha2_256 && std::ranges::any_of(all, [&](const TlsaRecord& other) {
      return other.usage == record.usage && other.selector == record.selector && other.matching_type == sha2_512;
    });
  });
  return usable;
}

DaneOutcome verify_dane(std::span<const TlsaRecord> usable, std::span<const std::string> chain, std::span<const std::string> names, WallTime now) {
  std::vector<Certificate> certificates;
  for (const std::string& der : chain.first(std::min(chain.size(), dane_limits::certificates_max))) {
    Certificate certificate{.der = der, .parsed = read_certificate(der), .key = {}};
    if (!certificate.parsed) break;
    certificate.key = key_of(certificate.parsed.get());
    certificates.push_back(std::move(certificate));
  }
  if (certificates.empty()) return DaneOutcome::no_match;
  if (any_matches(usable, end_entity_usage, certificates.front())) return DaneOutcome::end_entity;
  std::vector<X509*> anchors;
  for (std::size_t i = 1; i < certificates.size(); ++i) {
    if (any_matches(usable, trust_anchor_usage, certificates[i])) anchors.push_back(certificates[i].parsed.get());
  }
  // RFC 7672 §3.1.2: an authority's certificate that is in the record itself need not be sent.
  std::vector<bssl::UniquePtr<X509>> from_records;
  for (const TlsaRecord& record : usable) {
    if (record.usage != trust_anchor_usage || record.selector != whole_certificate || record.matching_type != full) continue;
    from_records.push_back(read_certificate(record.data));
    if (from_records.back()) anchors.push_back(from_records.back().get());
  }
  if (anchors.empty()) anchors = signed_by_bare_keys(usable, certificates);
  if (anchors.empty()) return DaneOutcome::no_match;
  return verify_chain(certificates, anchors, names, now);
}

}  // namespace keystonemail::tls
