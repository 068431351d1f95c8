# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Debian's packages that cannot be installed where tests run: fetched once into a folder, and unpacked elsewhere."""
import pathlib
import re
import subprocess


class Packages:
    def __init__(self, cache):
        self.cache = pathlib.Path(cache).resolve()
        self.cache.mkdir(parents=True, exist_ok=True)

    def archive(self, name):
        """The .deb."""
        return self._fetched(name, self.cache, [])

    def backport(self, name):
        """The .deb of this release's backports, or of the release itself where those are not to be had."""
        suite = re.search(r'^VERSION_CODENAME=(\w+)', pathlib.Path('/etc/os-release').read_text(), re.M)[1] + '-backports'
        folder = self.cache / suite
        (folder / 'lists').mkdir(parents=True, exist_ok=True)
        sources = folder / 'sources.list'
        sources.write_text(f'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian {suite} main\n')
        try:
            return self._fetched(name, folder, ['-o', f'Dir::Etc::SourceList={sources}', '-o', 'Dir::Etc::SourceParts=-', '-o', f'Dir::State::Lists={folder}/lists',
                                                '-o', 'Acquire::Languages=none'])
        except subprocess.CalledProcessError:
            return self.archive(name)

    def unpack(self, name, folder):
        subprocess.run(['dpkg-deb', '-x', self.archive(name), folder], check=True)

    @staticmethod
    def _fetched(name, folder, options):
        if not list(folder.glob(f'{name}_*.deb')):
            download = ['apt-get', *options, 'download', name]
            if subprocess.run(download, cwd=folder, capture_output=True).returncode != 0:
                subprocess.run(['apt-get', *options, 'update', '-qq'], check=True, capture_output=True)
                subprocess.run(download, cwd=folder, check=True, capture_output=True)
        return max(folder.glob(f'{name}_*.deb'), key=lambda path: path.stat().st_mtime)
