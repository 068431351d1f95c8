// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What small mail content often says, for LZ4 to refer to. Part of the format: it may never change, as stored
// content cannot be read without it. A better one would be a new value of Dictionary. Common words come last,
// where they stay within reach of the window.
#pragma once

#include <string_view>

namespace keystonemail::segments {

inline constexpr std::string_view mail_dictionary =
    "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nList-Unsubscribe: <https://www.\r\nList-Id: <\r\n"
    "List-Post: <mailto:\r\nList-Archive: <https://\r\nPrecedence: bulk\r\nAuto-Submitted: auto-replied\r\n"
    "X-Mailer: Microsoft Outlook 16.0\r\nX-Mailer: Apple Mail (2.3\r\nX-Mailer: iPhone Mail (\r\n"
    "User-Agent: Mozilla Thunderbird\r\nX-Originating-IP: [\r\nX-Priority: 3\r\nImportance: Normal\r\n"
    "Reply-To: \r\nSender: \r\nErrors-To: \r\nDisposition-Notification-To: \r\n"
    "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=.com; s=selector1;\r\n"
    "\th=from:to:subject:date:message-id:mime-version:content-type;\r\n\tbh=\r\n\tb=\r\n"
    "Authentication-Results: mx.; dkim=pass header.i=@ header.s= header.b=; spf=pass\r\n"
    "\tsmtp.mailfrom=; dmarc=pass (p=NONE sp=NONE dis=NONE) header.from=\r\n"
    "ARC-Seal: i=1; a=rsa-sha256; t=\r\nARC-Message-Signature: i=1;\r\n"
    "Return-Path: <\r\nDelivered-To: \r\n"
    "Received: from mail.example.com (mail.example.com [192.168.1.\r\n"
    "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\r\n"
    "\t key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256)\r\n"
    "\t(No client certificate requested)\r\n\tby mx. with ESMTPS id \r\n\tfor <\r\n\t(envelope-from <\r\n"
    "Received: by with SMTP id \r\nReceived: from localhost ([127.0.0.1])\r\n"
    "<!DOCTYPE html><html><head><meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\">"
    "</head><body><div dir=\"ltr\"><p class=\"\" style=\"color:#000000;font-family:Arial,Helvetica,sans-serif;"
    "font-size:14px;margin:0;padding:0\"><table width=\"100%\" border=\"0\" cellspacing=\"0\" cellpadding=\"0\">"
    "<tbody><tr><td align=\"center\" valign=\"top\"><a href=\"https://www.\" target=\"_blank\">"
    "<img src=\"https://\" alt=\"\" width=\"\" height=\"\"></a></td></tr></tbody></table><br></p></div></body></html>\r\n"
    "Hello,\r\n\r\nHi,\r\n\r\nDear \r\n\r\nThank you for your message.\r\nThanks,\r\n\r\nBest regards,\r\n\r\n"
    "Kind regards,\r\n\r\nOn Mon, at wrote:\r\n> \r\n-----Original Message-----\r\nFrom: \r\nSent: \r\nTo: \r\nSubject: RE: \r\n"
    "--\r\n-- \r\nSent from my iPhone\r\nunsubscribe from this list, please visit https://\r\n"
    " the and that have for not with you this but from they will would there their what about which when make can like "
    "time just know take people into year your good some could them see other than then now look only come over also "
    "back after use two how our work first well even new want because any these give day most please let know meeting\r\n"
    "In-Reply-To: <\r\nReferences: <\r\nCc: \r\nBcc: \r\n"
    "Date: Mon, 1 Jan 2025 00:00:00 +0000\r\nDate: Tue, Date: Wed, Date: Thu, Date: Fri, Date: Sat, Date: Sun, "
    " Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec 2024 2025 2026 +0100 +0200 -0400 -0500 -0700 -0800 (UTC) GMT\r\n"
    "Content-Type: multipart/mixed; boundary=\"----=_Part_\r\nContent-Type: multipart/alternative;\r\n boundary=\"\r\n"
    "Content-Type: multipart/related; boundary=\"\r\nContent-Type: application/pdf; name=\"\r\n"
    "Content-Type: image/png; name=\"\r\nContent-Type: image/jpeg; name=\"\r\nContent-Disposition: inline; filename=\"\r\n"
    "Content-Disposition: attachment; filename=\"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\nContent-Transfer-Encoding: 8bit\r\nContent-ID: <\r\n"
    "Content-Language: en-US\r\nContent-Type: text/html; charset=\"UTF-8\"\r\n"
    "Content-Transfer-Encoding: 7bit\r\nContent-Type: text/plain; charset=\"utf-8\"\r\n"
    "Content-Type: text/plain; charset=us-ascii; format=flowed\r\nMIME-Version: 1.0\r\n"
    "Subject: Re: \r\nSubject: Fwd: \r\nSubject: =?utf-8?Q?\r\nSubject: =?UTF-8?B?\r\n"
    "From: \"\" <@gmail.com>\r\nTo: <@example.com>\r\nMessage-ID: <@mail.gmail.com>\r\nSubject: ";

}  // namespace keystonemail::segments
