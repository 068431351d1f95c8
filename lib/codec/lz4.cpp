// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "codec/lz4.hpp"

#include <lz4.h>

#include <cassert>
#include <cstdint>
#include <cstring>

namespace keystonemail::codec {

namespace {

constexpr std::string_view dictionary_text =
    "<!DOCTYPE html><html><head><meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\"><title></title>"
    "</head><body style=\"margin:0;padding:0;\"><table width=\"100%\" border=\"0\" cellpadding=\"0\" cellspacing=\"0\">"
    "<tr><td align=\"center\" valign=\"top\" style=\"font-family:Arial,Helvetica,sans-serif;font-size:14px;color:#333333;"
    "\"><a href=3D\"https://www.<p>&nbsp;</p><br><div><span></span></div></td></tr></table></body></html>\r\n"
    "List-Unsubscribe: <https://\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nList-Id: <list."
    "\r\nPrecedence: bulk\r\nAuto-Submitted: auto-generated\r\nX-Mailer: \r\nX-Priority: 3\r\nUser-Agent: Mozilla"
    " Thunderbird\r\nAuthentication-Results: ; dkim=pass header.d= header.s= ; spf=pass smtp.mailfrom= ; dmarc=pass"
    " header.from=\r\nARC-Seal: i=1; a=rsa-sha256; d=\r\nDKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=;"
    " s=; t=; h=From:To:Subject:Date:Message-ID:MIME-Version:Content-Type; bh=; b=\r\n"
    "Content-Type: application/pdf; name=\"\r\nContent-Type: image/png; name=\"\r\nContent-Type: image/jpeg\r\n"
    "Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"\r\nContent-Disposition:"
    " inline\r\nContent-ID: <\r\nContent-Language: en-US\r\nContent-Type: multipart/mixed; boundary=\"----=_Part_"
    "\r\nContent-Type: multipart/alternative; boundary=\"\r\nContent-Type: multipart/related; boundary=\"\r\n\r\nThis is"
    " a multi-part message in MIME format.\r\n\r\n--\r\nContent-Type: text/html; charset=\"utf-8\"\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\nContent-Transfer-Encoding: base64\r\nContent-Type: text/plain;"
    " charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\nReply-To: \r\nSender: \r\nCc: \r\nReferences: <"
    "\r\nIn-Reply-To: <\r\nSubject: =?UTF-8?Q?\r\nSubject: =?utf-8?B?\r\nSubject: Re: \r\nSubject: Fwd: \r\nSubject: "
    "On wrote:\r\n> \r\n> > Thank you for your message. Please let me know if you have any questions. Best regards,\r\n"
    "Kind regards,\r\nHello,\r\n\r\nDear the and that with this from have will would should about there which\r\n-- \r\n"
    "Return-Path: <>\r\nReturn-Path: <\r\nDelivered-To: \r\nReceived: by mail. with ESMTP id for <>; \r\nReceived: from"
    " mail.example.com (localhost [127.0.0.1]) by mx. with ESMTPS (TLS_AES_256_GCM_SHA384) id for <user@example.com>;\r\n"
    "\tMon, Tue, Wed, Thu, Fri, Sat, Sun, Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec 2026 00:00:00 +0000\r\n"
    "From: \"\" <@gmail.com>\r\nTo: <@example.com>\r\nSubject: \r\nDate: Mon, 1 Jan 2026 00:00:00 +0000\r\n"
    "Message-ID: <@mail.example.com>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: 7bit\r\n\r\n";

}  // namespace

std::string_view mail_dictionary() noexcept { return dictionary_text; }

std::string compress_lz4(std::string_view text, std::string_view dictionary) {
  if (text.empty() || text.size() > lz4_block_octets_max) return {};
  LZ4_stream_t stream;
  LZ4_initStream(&stream, sizeof stream);
  LZ4_loadDict(&stream, dictionary.data(), static_cast<int>(dictionary.size()));
  std::string block(text.size(), '\0');
  const int octets = LZ4_compress_fast_continue(&stream, text.data(), block.data(), static_cast<int>(text.size()),
                                                static_cast<int>(block.size()), 1);
  if (octets <= 0 || static_cast<std::size_t>(octets) >= text.size()) return {};
  block.resize(static_cast<std::size_t>(octets));
  return block;
}

std::optional<std::string> decompress_lz4(std::string_view block, std::size_t octets, std::string_view dictionary) {
  assert(octets <= lz4_block_octets_max);
  if (block.size() > 2 * lz4_block_octets_max) return std::nullopt;
  std::string text(octets, '\0');
  const int got = LZ4_decompress_safe_usingDict(block.data(), text.data(), static_cast<int>(block.size()),
                                                static_cast<int>(octets), dictionary.data(),
                                                static_cast<int>(dictionary.size()));
  if (got < 0 || static_cast<std::size_t>(got) != octets) return std::nullopt;
  return text;
}

}  // namespace keystonemail::codec
