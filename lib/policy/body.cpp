// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/policy/body.hpp"

#include <utility>

namespace keystonemail::policy {

namespace {

class TextBody final : public Body {
 public:
  explicit TextBody(std::string text) : text_(std::move(text)) {}
  std::uint64_t octets() const noexcept override { return text_.size(); }
  Result<void> read(std::uint64_t offset, std::size_t octets, std::string& out) const override {
    if (offset < text_.size()) out.append(text_, static_cast<std::size_t>(offset), octets);
    return {};
  }

 private:
  std::string text_;
};

class SpooledBody final : public Body {
 public:
  explicit SpooledBody(std::unique_ptr<const blob::Spool> spool) : spool_(std::move(spool)) {}
  std::uint64_t octets() const noexcept override { return spool_->octets(); }
  Result<void> read(std::uint64_t offset, std::size_t octets, std::string& out) const override {
    return spool_->read(offset, octets, out);
  }

 private:
  std::unique_ptr<const blob::Spool> spool_;
};

}  // namespace

std::shared_ptr<const Body> make_body(std::string octets) { return std::make_shared<TextBody>(std::move(octets)); }
std::shared_ptr<const Body> make_body(std::unique_ptr<const blob::Spool> spool) {
  return std::make_shared<SpooledBody>(std::move(spool));
}

}  // namespace keystonemail::policy
