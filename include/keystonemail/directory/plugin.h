/* SPDX-License-Identifier: Apache-2.0
 * Copyright the Keystone Mail authors
 *
 * The C interface of a directory plugin: a shared object that tells a mail server who its users are. It needs this
 * header and a C compiler, and no library of ours. The program loads it with [directory] type = "plugin"; an embedder
 * with keystonemail::plugin::open_directory.
 *
 * A plugin exports one symbol, keystonemail_directory_plugin_entry, that returns its table of functions.
 *
 * Answers: each call but open and close is a request. The plugin answers it by calling the host's add_ and set_
 *   functions, if the answer needs them, and then finish() once: within the call, or later and from any thread. What it
 *   passes is copied before those functions return. A request that is over (answered, timed out, called off) is
 *   ignored, whatever is still said about it.
 * Ownership: texts given to the plugin are good until the called function returns. The host outlives close().
 * Threads: open and close are called on one thread. All else is called on any of several threads at once, which may
 *   block; while all of them do, further requests are refused for now. After close() has returned the plugin runs no
 *   code: it has ended its threads.
 * Errors: a status. Anything the plugin cannot know now is KEYSTONEMAIL_UNAVAILABLE: mail is then deferred and logins
 *   are asked to come again. An answer that breaks the rules below counts as that, and is logged.
 * Limits: texts of 4,096 octets, 1,000 mailboxes and addresses and 64 SCRAM credentials in one answer.
 * Trust: a plugin is part of the server. Bad answers are contained; a crash is not. No C++ exception may leave it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { KEYSTONEMAIL_DIRECTORY_PLUGIN_VERSION = 1 };

/* Octets, not ended by NUL. */
typedef struct keystonemail_text {
  const char* data;
  size_t size;
} keystonemail_text;

typedef int32_t keystonemail_status;
enum {
  KEYSTONEMAIL_OK = 0,          /* done; what it leads to has been said by add_ or set_ */
  KEYSTONEMAIL_NO = 1,          /* no: not our domain, not a sender this account may use */
  KEYSTONEMAIL_NOT_FOUND = 2,   /* the domain is ours, the address or login is not */
  KEYSTONEMAIL_DENIED = 3,      /* wrong password; the account is disabled */
  KEYSTONEMAIL_UNAVAILABLE = 4  /* cannot tell now */
};

typedef uint64_t keystonemail_request;  /* names a request; never used twice */

typedef struct keystonemail_account {
  uint32_t id;                  /* not 0. The account's mail is kept under it: it never changes and is never given again */
  uint32_t enabled;             /* 0 or 1 */
  keystonemail_text login;      /* the canonical one: a full address */
  keystonemail_text display_name;
  uint64_t quota_octets;        /* 0: none */
  uint64_t quota_messages;
} keystonemail_account;

enum { KEYSTONEMAIL_SHA_1 = 1, KEYSTONEMAIL_SHA_256 = 256 };

/* Keys that a SCRAM login may prove (RFC 5802 section 3). All of one account share salt and iterations. */
typedef struct keystonemail_scram {
  keystonemail_text name;       /* of the credential, for the log: "password", a device */
  keystonemail_text salt;       /* 1 to 256 octets */
  uint32_t iterations;          /* 4,096 to 1,000,000 */
  keystonemail_text stored_key; /* as long as the hash */
  keystonemail_text server_key;
} keystonemail_scram;

enum { KEYSTONEMAIL_LOG_DEBUG = 0, KEYSTONEMAIL_LOG_INFO = 1, KEYSTONEMAIL_LOG_WARNING = 2, KEYSTONEMAIL_LOG_ERROR = 3 };

/* What the host gives to the plugin. Later versions append. */
typedef struct keystonemail_host {
  uint32_t version;
  uint32_t size;                /* of this table */
  void* self;                   /* the host's own */
  /* A mailbox that mail for the resolved address goes to. `address` is how the account knows it; `detail` is what
     stood after '+', empty if nothing. */
  void (*add_mailbox)(const struct keystonemail_host* host, keystonemail_request request, uint32_t account,
                      keystonemail_text address, keystonemail_text detail);
  /* An address elsewhere that it goes to as well, or instead. */
  void (*add_remote)(const struct keystonemail_host* host, keystonemail_request request, keystonemail_text address);
  /* `credential` is which secret matched, for the log; empty for find_account. */
  void (*set_account)(const struct keystonemail_host* host, keystonemail_request request,
                      const keystonemail_account* account, keystonemail_text credential);
  void (*add_scram)(const struct keystonemail_host* host, keystonemail_request request, const keystonemail_scram* keys);
  /* Ends the request. `reason` is for the log: why it is not OK. */
  void (*finish)(const struct keystonemail_host* host, keystonemail_request request, keystonemail_status status,
                 keystonemail_text reason);
  /* One line for the server's log; never a password. */
  void (*log)(const struct keystonemail_host* host, int32_t level, keystonemail_text message);
} keystonemail_host;

/* What the plugin gives to the host. Later versions append; `size` tells how much of it there is. */
typedef struct keystonemail_directory_plugin {
  uint32_t version;             /* KEYSTONEMAIL_DIRECTORY_PLUGIN_VERSION */
  uint32_t size;                /* sizeof(keystonemail_directory_plugin) */
  const char* name;             /* for the log, ended by NUL */

  /* Opens the directory that `configuration` describes: the configuration's text, in whatever form the plugin likes.
     OK with its state in `*directory`, or another status and why in `error`, cut to `error_size` and ended by NUL. */
  keystonemail_status (*open)(const keystonemail_host* host, keystonemail_text configuration, void** directory,
                              char* error, size_t error_size);
  void (*close)(void* directory);

  /* Whether mail for `domain` is ours: OK or NO. Domains always come as A-labels in lower case. */
  void (*is_local_domain)(void* directory, keystonemail_request request, keystonemail_text domain);
  /* Where mail for `address` goes: OK after add_mailbox and add_remote, NO when the domain is not ours, NOT_FOUND,
     DENIED for an account that takes no mail. Aliases and lists have been followed to their end. */
  void (*resolve)(void* directory, keystonemail_request request, keystonemail_text address);
  /* Checks a password: OK after set_account; DENIED alike for what is wrong, unknown and disabled, and in the same
     time. `service` is "imap", "submission"...; `remote` the client's IP address as text. */
  void (*authenticate)(void* directory, keystonemail_request request, keystonemail_text login,
                       keystonemail_text password, keystonemail_text service, keystonemail_text remote);
  /* The account of a login that was proved by other means: OK after set_account, NOT_FOUND, DENIED (disabled). */
  void (*find_account)(void* directory, keystonemail_request request, keystonemail_text login);
  /* Whether the account may use `address` as a sender: OK or NO. */
  void (*may_send_as)(void* directory, keystonemail_request request, uint32_t account, keystonemail_text address);
  /* SCRAM keys: OK after add_scram, without any for unknown logins. NULL: SCRAM logins fail, PLAIN ones work. */
  void (*scram_keys)(void* directory, keystonemail_request request, keystonemail_text login, int32_t hash,
                     keystonemail_text service);
} keystonemail_directory_plugin;

/* The exported symbol. The table lives as long as the shared object is loaded. */
const keystonemail_directory_plugin* keystonemail_directory_plugin_entry(void);

#ifdef __cplusplus
}
#endif
