# SPDX-License-Identifier: Apache-2.0
#
# pkgs.callPackage ./package.nix { }
#
# nix-instantiate --parse takes it; nobody has built it yet.
{ lib, stdenv, meson, ninja, pkg-config, cmake, boringssl, libuv, lmdb, lz4, fmt, cli11, tomlplusplus, nlohmann_json, libidn2
, libunistring, libxcrypt, unbound, libpsl, zlib, expat }:

stdenv.mkDerivation {
  pname = "keystone-mail";
  version = "0.1.0";
  src = lib.cleanSource ../..;

  nativeBuildInputs = [ meson ninja pkg-config cmake ];
  buildInputs = [ boringssl libuv lmdb lz4 fmt cli11 tomlplusplus nlohmann_json libidn2 libunistring libxcrypt unbound libpsl zlib expat ];
  dontUseCmakeConfigure = true;

  mesonBuildType = "release";
  mesonFlags = [
    "-Dtests=false"
    "-Dboringssl_includedir=${lib.getDev boringssl}/include"
    "-Dboringssl_libdir=${lib.getLib boringssl}/lib"
  ];

  meta = {
    description = "A mail server, and its layers as a library";
    license = lib.licenses.asl20;
    platforms = lib.platforms.linux;
    mainProgram = "keystone-mail";
  };
}
