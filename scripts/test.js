'use strict'

// Everything that must hold, from a fresh clone on. Each step is a command that a person can run as well.

const fs = require('node:fs')
const path = require('node:path')
const { hostTarget, needRedis, root, run, setUp } = require('./setup.js')

needRedis()
setUp()
// The loader and its types are in the repository, so that they can be read and checked without a Rust toolchain.
run('git', ['diff', '--exit-code', '--stat', '--', 'binding.js', 'binding.d.ts'])

const target = ['--target', hostTarget()]
run('cargo', ['fmt', '--check'])
run('npx', ['biome', 'ci'])
run('npx', ['tsc', '--project', '__test__/tsconfig.json'])
run('npx', ['tsc', '--project', 'js/tsconfig.json'])
run('cargo', ['clippy', '--all-targets', ...target, '--', '-D', 'warnings'])
// As the addon is built; Rust tests bring an allocator of their own.
run('cargo', ['clippy', '--lib', '--features', 'mimalloc', ...target, '--', '-D', 'warnings'])
run('cargo', ['test', ...target])
// The server of `npm run bench` is a crate of its own.
const server = ['--manifest-path', path.join('benches', 'server', 'Cargo.toml')]
run('cargo', ['fmt', '--check', ...server])
run('cargo', ['clippy', '--all-targets', ...server, '--', '-D', 'warnings'])
run('cargo', ['test', ...server])

const tests = fs.readdirSync(path.join(root, '__test__')).filter((file) => file.endsWith('.test.js'))
// The client libraries that the tests use can leave a timer behind when their server goes. That our own programs end by themselves is
// shown with programs of their own (lifecycle.test.js, redis-lifecycle.test.js).
run('node', ['--test', '--test-force-exit', ...tests.map((file) => path.join('__test__', file))])
