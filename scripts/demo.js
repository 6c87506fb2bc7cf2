'use strict'

// `npm run demo`: what examples/demo.js shows, on a fresh clone.

const { run, setUp } = require('./setup.js')

setUp()
run('node', ['examples/demo.js', ...process.argv.slice(2)])
