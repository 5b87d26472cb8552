
# What Ollama is compiled with, and the shell and small programs of an image: files of packages, in /parts.
fetch
cd /tmp
apt-get -q download libminiaudio-dev libstb-dev nlohmann-json3-dev busybox-static
for package in *.deb; do
    dpkg-deb -x "$package" files
done
mkdir -p /parts/include/miniaudio
cp files/usr/include/miniaudio.h /parts/include/miniaudio
cp -rL files/usr/include/stb files/usr/include/nlohmann /parts/include
cp files/usr/bin/busybox /parts/busybox
tidy
