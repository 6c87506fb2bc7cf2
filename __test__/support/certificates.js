'use strict'

// An authority of the test's own, and a certificate for 127.0.0.1 that it has signed.

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')

/**
 * @param {string} folder where the files go
 * @returns {{ ca: string, caFile: string, cert: string, key: string, words: string[] }} certificates and the server's key as text; the
 *   authority's as a file; and what redis-server needs to be told
 */
function makeCertificates(folder) {
  const file = (name) => path.join(folder, name)
  const openssl = (...words) => execFileSync('openssl', words, { stdio: 'pipe' })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const authority = ['-keyout', file('ca.key'), '-out', file('ca.crt'), '-days', '2', '-subj', '/CN=ca.test']
  openssl('req', '-x509', ...key, ...authority)
  openssl('req', ...key, '-keyout', file('server.key'), '-out', file('server.csr'), '-subj', '/CN=redis.test')
  fs.writeFileSync(file('names'), 'subjectAltName=DNS:redis.test,IP:127.0.0.1\n')
  const signer = ['-CA', file('ca.crt'), '-CAkey', file('ca.key'), '-CAcreateserial', '-days', '2']
  const signed = ['-in', file('server.csr'), '-out', file('server.crt'), '-extfile', file('names')]
  openssl('x509', '-req', ...signer, ...signed)
  const words = ['--tls-ca-cert-file', file('ca.crt'), '--tls-cert-file', file('server.crt')]
  const text = (name) => fs.readFileSync(file(name), 'utf8')
  return {
    ca: text('ca.crt'),
    caFile: file('ca.crt'),
    cert: text('server.crt'),
    key: text('server.key'),
    words: [...words, '--tls-key-file', file('server.key'), '--tls-auth-clients', 'no'],
  }
}

module.exports = { makeCertificates }
