#!/bin/sh
# Makes what both sides of `driver: remote` show each other: an authority, and a certificate of it
# for the daemons and for the jobs. Give each pool an authority of its own: who has a certificate of
# one pool is then no client of another.
#
#   ./certificates.sh NAMESPACE [DIRECTORY]
#
# A second run with the same directory keeps the authority and renews the other two.
set -eu
umask 077

namespace=${1:?"usage: $0 NAMESPACE [DIRECTORY]"}
directory=${2:-certificates-$namespace}
days=365

mkdir -p "$directory/server" "$directory/client"
cd "$directory"

key() {
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null
}

# sign NAME EXTENSIONS: a new key, and a certificate for it.
sign() {
	key "$1/key.pem"
	openssl req -new -key "$1/key.pem" -subj "/CN=buildkit-$1" |
		openssl x509 -req -CA ca.pem -CAkey ca.key -CAcreateserial -days "$days" \
			-extfile "$1/extensions" -out "$1/cert.pem" 2>/dev/null
	rm "$1/extensions"
	cp ca.pem "$1/ca.pem"
}

if ! [ -e ca.key ]; then
	key ca.key
	openssl req -new -x509 -key ca.key -days 3650 -subj "/CN=buildkit-$namespace" \
		-addext keyUsage=critical,keyCertSign,cRLSign -out ca.pem
fi

names="DNS:buildkitd,DNS:buildkitd.$namespace,DNS:buildkitd.$namespace.svc"
names="$names,DNS:buildkitd.$namespace.svc.cluster.local"
printf 'basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName=%s\n' "$names" \
	>server/extensions
printf 'basicConstraints=CA:FALSE\nextendedKeyUsage=clientAuth\n' >client/extensions
sign server
sign client

echo "$directory/server is for the daemons, $directory/client for the jobs, both for $days days."
echo "Keep $directory/ca.key where no job can read it: it makes clients."
