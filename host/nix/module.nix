# SPDX-License-Identifier: Apache-2.0
#
# A NixOS module: writes keystone-mail.toml and the service.
#
#   imports = [ ./host/nix/module.nix ];
#   services.keystone-mail = { enable = true; hostname = "mail.example.org"; primaryDomain = "example.org";
#                              acmeEmail = "admin@example.org"; openFirewall = true; };
#
# Certificates come from security.acme of NixOS, as the server has no ACME client of its own yet; without acmeEmail name them in
# settings.tls. nix-instantiate --parse takes it; nobody has run it yet.
{ config, lib, pkgs, ... }:

let
  cfg = config.services.keystone-mail;
  toml = pkgs.formats.toml { };
  certificates = config.security.acme.certs.${cfg.hostname}.directory;
  file = toml.generate "keystone-mail.toml" (lib.recursiveUpdate
    ({
      inherit (cfg) hostname;
      primary_domain = cfg.primaryDomain;
      data_directory = "/var/lib/keystone-mail";
    } // lib.optionalAttrs (cfg.acmeEmail != null) {
      tls.certificate = "${certificates}/fullchain.pem";
      tls.private_key = "${certificates}/key.pem";
    })
    cfg.settings);
in
{
  options.services.keystone-mail = {
    enable = lib.mkEnableOption "the Keystone Mail server";
    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.callPackage ./package.nix { };
      description = "The keystone-mail to run.";
    };
    hostname = lib.mkOption {
      type = lib.types.str;
      example = "mail.example.org";
      description = "What the server calls itself, and the name its certificate is for.";
    };
    primaryDomain = lib.mkOption {
      type = lib.types.str;
      example = "example.org";
      description = "The domain of logins given without one.";
    };
    acmeEmail = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      description = "Gets a certificate by security.acme, whose authority may write to this address. It needs port 80.";
    };
    openFirewall = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Opens the ports of the default listeners.";
    };
    settings = lib.mkOption {
      type = toml.type;
      default = { };
      example = { limits.message_size = 104857600; };
      description = "Further keys of keystone-mail.toml(5).";
    };
  };

  config = lib.mkIf cfg.enable {
    environment.etc."keystone-mail/keystone-mail.toml".source = file;
    environment.systemPackages = [ cfg.package ];
    users.users.keystone-mail = { isSystemUser = true; group = "keystone-mail"; home = "/var/lib/keystone-mail"; };
    users.groups.keystone-mail = { };

    # The unit is that of the package, sandbox included.
    systemd.packages = [ cfg.package ];
    systemd.services.keystone-mail = {
      wantedBy = [ "multi-user.target" ];
      after = lib.optional (cfg.acmeEmail != null) "acme-finished-${cfg.hostname}.target";
      wants = lib.optional (cfg.acmeEmail != null) "acme-finished-${cfg.hostname}.target";
      restartTriggers = [ file ];
    };

    security.acme = lib.mkIf (cfg.acmeEmail != null) {
      acceptTerms = true;
      certs.${cfg.hostname} = {
        email = cfg.acmeEmail;
        listenHTTP = ":80";
        group = "keystone-mail";
        reloadServices = [ "keystone-mail.service" ];
      };
    };

    networking.firewall.allowedTCPPorts = lib.mkIf cfg.openFirewall
      ([ 25 143 443 465 587 993 ] ++ lib.optional (cfg.acmeEmail != null) 80);
  };
}
