// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
#include "keystonemail/crypto/certificate.hpp"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdlib>
#include <new>
#include <optional>

#include "base/try.hpp"
#include "crypto/boringssl.hpp"
#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/crypto/digest.hpp"

namespace keystonemail::crypto {
namespace {

constexpr std::size_t common_name_octets_max = 64;  // RFC 5280 §A.1: ub-common-name
constexpr std::size_t names_max = 200;

template <class Name>
std::string name_text(Name* name) {
  bssl::UniquePtr<BIO> output(BIO_new(BIO_s_mem()));
  if (!output || X509_NAME_print_ex(output.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) < 0) return {};
  const std::uint8_t* data = nullptr;
  std::size_t size = 0;
  BIO_mem_contents(output.get(), &data, &size);
  return {reinterpret_cast<const char*>(data), size};
}

// Text of a string type as UTF-8; empty if it holds NUL, with which names were once forged.
std::string string_text(const ASN1_STRING* value) {
  std::uint8_t* data = nullptr;
  const int size = ASN1_STRING_to_UTF8(&data, const_cast<ASN1_STRING*>(value));
  if (size < 0) {
    ERR_clear_error();
    return {};
  }
  std::string text(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
  OPENSSL_free(data);
  return text.find('\0') == std::string::npos ? text : std::string();
}

template <class Name>
std::string common_name(Name* name) {
  int last = -1;
  for (int next; (next = X509_NAME_get_index_by_NID(name, NID_commonName, last)) >= 0;) last = next;
  return last < 0 ? std::string() : string_text(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, last)));
}

std::optional<WallTime> to_wall_time(const ASN1_TIME* time) {
  bssl::UniquePtr<ASN1_TIME> epoch(ASN1_TIME_set(nullptr, 0));
  int days = 0;
  int seconds = 0;
  if (!epoch || !ASN1_TIME_diff(&days, &seconds, epoch.get(), time)) return std::nullopt;
  return WallTime(std::chrono::days(days) + std::chrono::seconds(seconds));
}

std::string ip_text(const ASN1_OCTET_STRING* value) {
  const std::uint8_t* data = ASN1_STRING_get0_data(value);
  if (ASN1_STRING_length(value) == 4) {
    return IpAddress::v4({data[0], data[1], data[2], data[3]}).to_string();
  }
  if (ASN1_STRING_length(value) != 16) return {};
  std::array<std::uint8_t, 16> address;
  std::copy_n(data, address.size(), address.begin());
  return IpAddress::v6(address).to_string();
}

void add_unless_empty(std::vector<std::string>& list, std::string value) {
  if (!value.empty()) list.push_back(std::move(value));
}

void read_alternative_names(const X509* certificate, CertificateInfo& info) {
  bssl::UniquePtr<GENERAL_NAMES> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  ERR_clear_error();
  if (!names) return;
  for (std::size_t i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    switch (name->type) {
      case GEN_DNS: add_unless_empty(info.dns_names, to_lower(string_text(name->d.dNSName))); break;
      case GEN_EMAIL: add_unless_empty(info.email_addresses, string_text(name->d.rfc822Name)); break;
      case GEN_IPADD: add_unless_empty(info.ip_addresses, ip_text(name->d.iPAddress)); break;
      default: break;  // kinds that mail has no use for
    }
  }
}

bssl::UniquePtr<X509> parse_der(std::string_view der) {
  const std::uint8_t* position = octets(der);
  bssl::UniquePtr<X509> certificate(d2i_X509(nullptr, &position, static_cast<long>(der.size())));
  if (position != octets(der) + der.size()) certificate.reset();
  return certificate;
}

bssl::UniquePtr<BIO> reader(std::string_view text) {
  bssl::UniquePtr<BIO> input(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  if (!input) throw std::bad_alloc();
  return input;
}

std::string to_der(X509* certificate) {
  std::uint8_t* data = nullptr;
  const int size = i2d_X509(certificate, &data);
  if (size < 0) throw std::bad_alloc();
  std::string der(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
  OPENSSL_free(data);
  return der;
}

bool is_dns_name(std::string_view name) noexcept {
  return !name.empty() && name.size() <= 253 && std::ranges::all_of(name, [](char c) {
    return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '*';
  });
}

bool add_name(GENERAL_NAMES* names, int type, std::string_view value) {
  bssl::UniquePtr<GENERAL_NAME> name(GENERAL_NAME_new());
  ASN1_STRING* text = type == GEN_IPADD ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
  if (!name || !text || !ASN1_STRING_set(text, value.data(), static_cast<int>(value.size()))) {
    ASN1_STRING_free(text);
    return false;
  }
  GENERAL_NAME_set0_value(name.get(), type, text);
  if (!sk_GENERAL_NAME_push(names, name.get())) return false;
  (void)name.release();  // the list has it
  return true;
}

Result<bssl::UniquePtr<GENERAL_NAMES>> alternative_names(const CertificateRequest& request) {
  bssl::UniquePtr<GENERAL_NAMES> names(GENERAL_NAMES_new());
  if (!names) throw std::bad_alloc();
  for (const auto& name : request.names) {
    bool added = false;
    if (const auto address = IpAddress::parse(name)) {
      const std::size_t size = address->family() == IpAddress::Family::v4 ? 4 : 16;
      added = add_name(names.get(), GEN_IPADD, {reinterpret_cast<const char*>(address->octets().data()), size});
    } else {
      added = is_dns_name(name) && add_name(names.get(), GEN_DNS, name);
    }
    if (!added) return fail(ErrorKind::invalid, "A certificate's names are host names or IP addresses", name);
  }
  for (const auto& address : request.email_addresses) {
    if (!is_ascii(address) || address.find('\0') != std::string::npos || !add_name(names.get(), GEN_EMAIL, address)) {
      return fail(ErrorKind::invalid, "A certificate's mail addresses are ASCII", address);
    }
  }
  return names;
}

bool add_extension(X509* certificate, X509V3_CTX* context, int nid, const char* value) {
  bssl::UniquePtr<X509_EXTENSION> extension(X509V3_EXT_nconf_nid(nullptr, context, nid, value));
  return extension && X509_add_ext(certificate, extension.get(), -1);
}

bool set_serial(X509* certificate) {
  std::array<std::uint8_t, 16> octets;
  RAND_bytes(octets.data(), octets.size());
  octets[0] = static_cast<std::uint8_t>((octets[0] & 0x7f) | 0x40);  // positive, and of full length (RFC 5280 §4.1.2.2)
  bssl::UniquePtr<BIGNUM> number(BN_bin2bn(octets.data(), octets.size(), nullptr));
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate));
}

bool set_validity(X509* certificate, const CertificateRequest& request) {
  const auto set = [](WallTime time) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
    return bssl::UniquePtr<ASN1_TIME>(ASN1_TIME_set(nullptr, static_cast<time_t>(seconds)));
  };
  const auto from = set(request.not_before);
  const auto until = set(request.not_after);
  return from && until && X509_set1_notBefore(certificate, from.get()) && X509_set1_notAfter(certificate, until.get());
}

bool set_subject(X509* certificate, const std::string& name) {
  bssl::UniquePtr<X509_NAME> subject(X509_NAME_new());
  // A name that is too long for the field stands in the alternative names alone.
  const std::string_view text = name.size() <= common_name_octets_max ? std::string_view(name) : "mail server";
  return subject &&
         X509_NAME_add_entry_by_NID(subject.get(), NID_commonName, MBSTRING_UTF8, octets(text),
                                    static_cast<int>(text.size()), -1, 0) &&
         X509_set_subject_name(certificate, subject.get());
}

bool set_extensions(X509* certificate, X509* issuer, GENERAL_NAMES* names, bool authority) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  return add_extension(certificate, &context, NID_basic_constraints, authority ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
         add_extension(certificate, &context, NID_key_usage,
                       authority ? "critical,keyCertSign,cRLSign,digitalSignature" : "critical,digitalSignature") &&
         (authority || add_extension(certificate, &context, NID_ext_key_usage, "serverAuth,clientAuth")) &&
         add_extension(certificate, &context, NID_subject_key_identifier, "hash") &&
         X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, 0);
}

std::string to_pem(X509* certificate) {
  bssl::UniquePtr<BIO> output(BIO_new(BIO_s_mem()));
  if (!output || !PEM_write_bio_X509(output.get(), certificate)) throw std::bad_alloc();
  const std::uint8_t* data = nullptr;
  std::size_t size = 0;
  BIO_mem_contents(output.get(), &data, &size);
  return {reinterpret_cast<const char*>(data), size};
}

// Signs with `signer`; without an issuer the certificate is its own.
Result<std::string> issue(const CertificateRequest& request, EVP_PKEY* key, X509* issuer, const PrivateKey& signer) {
  if (request.names.empty()) return fail(ErrorKind::invalid, "A certificate needs a name");
  if (request.names.size() > names_max) return fail(ErrorKind::invalid, "A certificate has at most 200 names");
  KM_TRY(const auto names, alternative_names(request));
  bssl::UniquePtr<X509> certificate(X509_new());
  if (!certificate) throw std::bad_alloc();
  const EVP_MD* digest = signer.type() == KeyType::ed25519 ? nullptr : EVP_sha256();
  if (!X509_set_version(certificate.get(), X509_VERSION_3) || !set_serial(certificate.get()) ||
      !set_validity(certificate.get(), request) || !set_subject(certificate.get(), request.names.front()) ||
      !X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer ? issuer : certificate.get())) ||
      !X509_set_pubkey(certificate.get(), key) ||
      !set_extensions(certificate.get(), issuer ? issuer : certificate.get(), names.get(), request.authority) ||
      !X509_sign(certificate.get(), signer.state().key.get(), digest)) {
    return fail(ErrorKind::internal, "No certificate could be made", take_error_text());
  }
  return to_pem(certificate.get());
}

}  // namespace

Result<CertificateInfo> read_certificate_der(std::string_view der) {
  const auto certificate = parse_der(der);
  if (!certificate) return fail(ErrorKind::invalid, "This is not a certificate", take_error_text());
  CertificateInfo info;
  auto* subject = X509_get_subject_name(certificate.get());
  auto* issuer = X509_get_issuer_name(certificate.get());
  info.subject = name_text(subject);
  info.issuer = name_text(issuer);
  info.common_name = common_name(subject);
  info.self_issued = X509_NAME_cmp(subject, issuer) == 0;
  read_alternative_names(certificate.get(), info);
  const auto not_before = to_wall_time(X509_get0_notBefore(certificate.get()));
  const auto not_after = to_wall_time(X509_get0_notAfter(certificate.get()));
  ERR_clear_error();
  if (!not_before || !not_after) return fail(ErrorKind::invalid, "This certificate has no valid dates");
  info.not_before = *not_before;
  info.not_after = *not_after;
  info.fingerprint = to_hex(digest(Hash::sha256, der));
  return info;
}

Result<std::vector<std::string>> certificates_from_pem(std::string_view pem) {
  if (pem.size() > limits::pem_octets_max) return fail(ErrorKind::too_large, "This certificate file is too large");
  const auto input = reader(pem);
  std::vector<std::string> chain;
  while (bssl::UniquePtr<X509> certificate{PEM_read_bio_X509(input.get(), nullptr, nullptr, nullptr)}) {
    chain.push_back(to_der(certificate.get()));
  }
  // Reading ends with "no start line" where nothing more follows; anything else is damage.
  const std::uint32_t code = ERR_peek_last_error();
  const bool complete = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
  auto detail = take_error_text();
  if (!complete || chain.empty()) return fail(ErrorKind::invalid, "This is not a certificate in PEM", std::move(detail));
  return chain;
}

Result<CertificateInfo> read_certificate_pem(std::string_view pem) {
  KM_TRY(const auto chain, certificates_from_pem(pem));
  return read_certificate_der(chain.front());
}

Result<std::string> make_self_signed(const CertificateRequest& request, const PrivateKey& key) {
  return issue(request, key.state().key.get(), nullptr, key);
}

Result<IssuedCertificate> make_self_signed(const CertificateRequest& request) {
  KM_TRY(const auto key, PrivateKey::generate(KeyType::ecdsa_p256));
  KM_TRY(auto certificate, make_self_signed(request, key));
  return IssuedCertificate{std::move(certificate), key.pem()};
}

Result<std::string> issue_certificate(const CertificateRequest& request, const PublicKey& key, std::string_view authority_pem,
                                      const PrivateKey& authority_key) {
  KM_TRY(const auto chain, certificates_from_pem(authority_pem));
  const auto authority = parse_der(chain.front());
  assert(authority);
  return issue(request, key.state().key.get(), authority.get(), authority_key);
}

bool certificate_name_fits(std::string_view name, std::string_view host) noexcept {
  if (!name.starts_with("*.")) return !name.empty() && name == host;
  const auto dot = host.find('.');
  return dot != std::string_view::npos && dot > 0 && host.substr(dot) == name.substr(1);
}

}  // namespace keystonemail::crypto
