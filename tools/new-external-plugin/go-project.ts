import { pascalCase, type Project, type ProjectNaming } from './project.ts';

/** A module on github.com/apache/apisix-go-plugin-runner. */
export function goProject({ name, hasCheckPlugin }: ProjectNaming): Project {
  const type = `${pascalCase(name)}Plugin`;
  const registered = hasCheckPlugin ? [`&${type}{}`, '&polygateCheck{}'] : [`&${type}{}`];
  return {
    files: {
      'go.mod': goMod(name),
      'main.go': main(registered.join(', ')),
      'plugin.go': plugin(name, type),
      '.gitignore': '/runner\n',
      ...(hasCheckPlugin ? { 'polygate_check.go': CHECK_PLUGIN } : {}),
    },
    build: ['go mod tidy', 'go vet ./...', 'go build -o runner .'],
    command: ['{dir}/runner'],
  };
}

const goMod = (name: string) => `module example.com/${name}

go 1.21

require (
	github.com/apache/apisix-go-plugin-runner v0.5.0
	go.uber.org/zap v1.17.0
)
`;

const main = (registered: string) => `package main

import (
	"go.uber.org/zap/zapcore"

	"github.com/apache/apisix-go-plugin-runner/pkg/log"
	"github.com/apache/apisix-go-plugin-runner/pkg/plugin"
	"github.com/apache/apisix-go-plugin-runner/pkg/runner"
)

func main() {
	for _, p := range []plugin.Plugin{${registered}} {
		if err := plugin.RegisterPlugin(p); err != nil {
			log.Fatalf("failed to register %s: %s", p.Name(), err)
		}
	}
	runner.Run(runner.RunnerConfig{LogLevel: zapcore.WarnLevel})
}
`;

const plugin = (name: string, type: string) => `package main

import (
	"encoding/json"
	"errors"
	"net/http"

	pkgHTTP "github.com/apache/apisix-go-plugin-runner/pkg/http"
	"github.com/apache/apisix-go-plugin-runner/pkg/log"
	"github.com/apache/apisix-go-plugin-runner/pkg/plugin"
)

// ${type} lets through what has a certain header, and says so to the upstream.
type ${type} struct {
	plugin.DefaultPlugin
}

type conf struct {
	Header string \`json:"header"\`
	Status int    \`json:"status"\`

	err error
}

// Name is what a route's conf calls this plugin.
func (p *${type}) Name() string {
	return "${name}"
}

// ParseConf keeps its error for the request: the SDK skips a plugin whose conf it could not parse,
// and requests would go on unchecked.
func (p *${type}) ParseConf(in []byte) (interface{}, error) {
	parsed := conf{Status: http.StatusUnauthorized}
	parsed.err = json.Unmarshal(in, &parsed)
	if parsed.err == nil && parsed.Header == "" {
		parsed.err = errors.New("header is missing")
	}
	return parsed, nil
}

// RequestFilter ends a request by writing to w.
func (p *${type}) RequestFilter(raw interface{}, w http.ResponseWriter, r pkgHTTP.Request) {
	c := raw.(conf)
	if c.err != nil {
		log.Errorf("bad conf of ${name}: %s", c.err)
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if r.Header().Get(c.Header) == "" {
		w.WriteHeader(c.Status)
		if _, err := w.Write([]byte("no " + c.Header + "\\n")); err != nil {
			log.Errorf("failed to write: %s", err)
		}
		return
	}
	r.Header().Set("X-Checked-By", "${name}")
}
`;

const CHECK_PLUGIN = `package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	pkgHTTP "github.com/apache/apisix-go-plugin-runner/pkg/http"
	"github.com/apache/apisix-go-plugin-runner/pkg/log"
	"github.com/apache/apisix-go-plugin-runner/pkg/plugin"
)

// polygateCheck does what tools/runner-check tells it. Not for production.
type polygateCheck struct {
	plugin.DefaultPlugin
}

type checkConf struct {
	Do    string \`json:"do"\`
	Bytes int    \`json:"bytes"\`
	Ms    int    \`json:"ms"\`
}

func (p *polygateCheck) Name() string {
	return "polygate-check"
}

func (p *polygateCheck) ParseConf(in []byte) (interface{}, error) {
	c := checkConf{}
	err := json.Unmarshal(in, &c)
	return c, err
}

func (p *polygateCheck) RequestFilter(raw interface{}, w http.ResponseWriter, r pkgHTTP.Request) {
	c := raw.(checkConf)
	switch c.Do {
	case "stop":
		w.Header().Set("X-Check", "stopped")
		w.WriteHeader(http.StatusForbidden)
		write(w, []byte("stopped"))
	case "rewrite":
		r.SetPath([]byte("/checked"))
		r.Header().Set("X-Check", "rewritten")
		r.Args().Set("check", "1")
	case "variable":
		value, err := r.Var("check_variable")
		if err != nil {
			panic(err)
		}
		if len(value) == 0 {
			value = []byte("absent")
		}
		r.Header().Set("X-Check", string(value))
	case "body":
		body, err := r.Body()
		if err != nil {
			panic(err)
		}
		digest := sha256.Sum256(body)
		r.Header().Set("X-Check-Bytes", strconv.Itoa(len(body)))
		r.Header().Set("X-Check-Sha256", hex.EncodeToString(digest[:]))
	case "answer":
		w.WriteHeader(http.StatusOK)
		write(w, bytes.Repeat([]byte("x"), c.Bytes))
	case "throw":
		panic("as it was told")
	case "sleep":
		time.Sleep(time.Duration(c.Ms) * time.Millisecond)
	}
}

func (p *polygateCheck) ResponseFilter(raw interface{}, w pkgHTTP.Response) {
	c := raw.(checkConf)
	if c.Do != "response" {
		return
	}
	body, err := w.ReadBody()
	if err != nil {
		panic(err)
	}
	w.Header().Set("X-Check", "seen")
	w.WriteHeader(http.StatusCreated)
	if _, err := w.Write(append(body, '!')); err != nil {
		log.Errorf("failed to write: %s", err)
	}
}

func write(w http.ResponseWriter, body []byte) {
	if _, err := w.Write(body); err != nil {
		log.Errorf("failed to write: %s", err)
	}
}
`;
