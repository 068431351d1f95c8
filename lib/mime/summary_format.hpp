// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The numbers of SUMMARY.md that writer and reader share.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace keystonemail::mime::summary_format {

inline constexpr std::uint8_t version = 1;

namespace flags {
inline constexpr std::uint8_t ambiguous = 1, has_attachment = 2, has_date = 4, free_of_nul = 16;
}

// Bits of an envelope's mask, in the order its members follow.
enum class EnvelopeMember : std::uint8_t { date, subject, from, sender, reply_to, to, cc, bcc, in_reply_to, message_id };

// Bits of an address's first octet.
namespace address {
inline constexpr std::uint8_t kind_mask = 3, name = 4, route = 8, local_part = 16, domain = 32;
}

// The first octet of a part: kind in bits 0 and 1, encoding in bits 4 to 6.
namespace part {
inline constexpr std::uint8_t kind_mask = 3, opaque = 4, known_type = 8, encoding_shift = 4, extras = 128;
}

// Bits of the octet that follows when a part has extras, in the order they follow.
namespace extra {
inline constexpr std::uint8_t id = 1, description = 2, md5 = 4, location = 8, encoding_name = 16, disposition = 32,
                              languages = 64, envelope = 128;
}

struct MediaType {
  std::string_view type, subtype;
};
// One octet in place of two strings. Add at the end only.
inline constexpr std::array known_types = {
    MediaType{"text", "plain"},        MediaType{"text", "html"},          MediaType{"multipart", "mixed"},
    MediaType{"multipart", "alternative"}, MediaType{"multipart", "related"}, MediaType{"multipart", "signed"},
    MediaType{"multipart", "report"},  MediaType{"message", "rfc822"},     MediaType{"message", "delivery-status"},
    MediaType{"application", "octet-stream"}, MediaType{"application", "pdf"}, MediaType{"image", "jpeg"},
    MediaType{"image", "png"},         MediaType{"image", "gif"},          MediaType{"text", "calendar"},
    MediaType{"application", "pgp-signature"}, MediaType{"application", "pkcs7-signature"}};

}  // namespace keystonemail::mime::summary_format
