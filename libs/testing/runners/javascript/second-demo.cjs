'use strict';

const RewriteDemo = require('./rewrite-demo.cjs');

/** The same under a name of its own. */
module.exports = class extends RewriteDemo {
  getName() {
    return 'second-demo';
  }
};
