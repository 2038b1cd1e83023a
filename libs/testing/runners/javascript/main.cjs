'use strict';

// Runs a built checkout of zenozeng/apisix-javascript-plugin-runner: main.cjs CHECKOUT PLUGIN…
//
// Its bin/runner starts Node with --es-module-specifier-resolution=node, which Node 19 took away; the
// hook gives back what the flag did (imports without an ending). The runner itself is not touched.
const { registerHooks } = require('node:module');
const path = require('node:path');
const { pathToFileURL } = require('node:url');

const [checkout, ...plugins] = process.argv.slice(2);
const server = path.resolve(checkout, 'dist/server/node.js');

registerHooks({
  resolve(specifier, context, next) {
    const isBare = specifier.startsWith('.') && path.extname(specifier) === '';
    return next(isBare ? `${specifier}.js` : specifier, context);
  },
});

process.argv.splice(1, Infinity, server, ...plugins);
import(pathToFileURL(server).href);
