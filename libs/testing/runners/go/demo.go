package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"

	pkgHTTP "github.com/apache/apisix-go-plugin-runner/pkg/http"
	"github.com/apache/apisix-go-plugin-runner/pkg/log"
	"github.com/apache/apisix-go-plugin-runner/pkg/plugin"
)

// Demo does what its conf says, so that a test can drive each ability of a runner.
type Demo struct {
	plugin.DefaultPlugin
	name string
}

// DemoConf is the conf as JSON. Left out means: not done.
type DemoConf struct {
	// SetHeaders are set on the request, or deleted where the value is empty.
	SetHeaders map[string]string `json:"set_headers"`
	// Path replaces the path of the request.
	Path string `json:"path"`
	// SetArgs are set on the query, or deleted where the value is empty.
	SetArgs map[string]string `json:"set_args"`
	// Vars are asked for; each goes to the request header "X-Var-<name>".
	Vars []string `json:"vars"`
	// DigestBody asks for the body; its length and SHA-256 go to X-Body-Bytes and X-Body-Sha256.
	DigestBody bool `json:"digest_body"`
	// ResponseHeaders are set on the response of a request that goes on.
	ResponseHeaders map[string]string `json:"response_headers"`
	// StopStatus ends the request with StopHeaders and StopBody.
	StopStatus  int               `json:"stop_status"`
	StopHeaders map[string]string `json:"stop_headers"`
	StopBody    string            `json:"stop_body"`
	// StopBytes is the length of a body of "x" in place of StopBody.
	StopBytes int `json:"stop_bytes"`
	// EchoHeader is a request header whose value goes to X-Echo.
	EchoHeader string `json:"echo_header"`
	// SleepMs passes before anything else; then comes Kill, then Raise.
	SleepMs int `json:"sleep_ms"`
	// Kill ends the runner by SIGKILL.
	Kill bool `json:"kill"`
	// Raise is what the plugin panics with.
	Raise string `json:"raise"`
	// AppendBody goes to the end of the upstream's body, in the response phase.
	AppendBody string `json:"append_body"`
	// Status replaces the upstream's, in the response phase.
	Status int `json:"status"`
}

// Name is what a route's conf calls this plugin.
func (p *Demo) Name() string {
	return p.name
}

// ParseConf runs once per conf.
func (p *Demo) ParseConf(in []byte) (interface{}, error) {
	conf := DemoConf{}
	err := json.Unmarshal(in, &conf)
	return conf, err
}

// RequestFilter runs before the upstream is called.
func (p *Demo) RequestFilter(raw interface{}, w http.ResponseWriter, r pkgHTTP.Request) {
	conf := raw.(DemoConf)
	disturb(conf)
	if conf.StopStatus > 0 {
		stop(conf, w)
		return
	}
	for _, name := range conf.Vars {
		value, err := r.Var(name)
		if err != nil {
			log.Errorf("failed to ask for %s: %s", name, err)
			return
		}
		r.Header().Set("X-Var-"+name, string(value))
	}
	if conf.DigestBody {
		body, err := r.Body()
		if err != nil {
			log.Errorf("failed to ask for the body: %s", err)
			return
		}
		digest := sha256.Sum256(body)
		r.Header().Set("X-Body-Bytes", strconv.Itoa(len(body)))
		r.Header().Set("X-Body-Sha256", hex.EncodeToString(digest[:]))
	}
	rewrite(conf, r)
}

// ResponseFilter runs when the upstream has answered.
func (p *Demo) ResponseFilter(raw interface{}, w pkgHTTP.Response) {
	conf := raw.(DemoConf)
	disturb(conf)
	for name, value := range conf.ResponseHeaders {
		w.Header().Set(name, value)
	}
	if conf.Status > 0 {
		w.WriteHeader(conf.Status)
	}
	if conf.AppendBody == "" {
		return
	}
	body, err := w.ReadBody()
	if err != nil {
		log.Errorf("failed to ask for the body of the response: %s", err)
		return
	}
	if _, err := w.Write(append(body, conf.AppendBody...)); err != nil {
		log.Errorf("failed to write: %s", err)
	}
}

func disturb(conf DemoConf) {
	time.Sleep(time.Duration(conf.SleepMs) * time.Millisecond)
	if conf.Kill {
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			log.Errorf("failed to end: %s", err)
		}
	}
	if conf.Raise != "" {
		panic(conf.Raise)
	}
}

func stop(conf DemoConf, w http.ResponseWriter) {
	for name, value := range conf.StopHeaders {
		w.Header().Set(name, value)
	}
	w.WriteHeader(conf.StopStatus)
	body := []byte(conf.StopBody)
	if conf.StopBytes > 0 {
		body = bytes.Repeat([]byte("x"), conf.StopBytes)
	}
	if _, err := w.Write(body); err != nil {
		log.Errorf("failed to write: %s", err)
	}
}

func rewrite(conf DemoConf, r pkgHTTP.Request) {
	if conf.EchoHeader != "" {
		r.Header().Set("X-Echo", r.Header().Get(conf.EchoHeader))
	}
	for name, value := range conf.SetHeaders {
		if value == "" {
			r.Header().Del(name)
			continue
		}
		r.Header().Set(name, value)
	}
	for name, value := range conf.SetArgs {
		if value == "" {
			r.Args().Del(name)
			continue
		}
		r.Args().Set(name, value)
	}
	for name, value := range conf.ResponseHeaders {
		r.RespHeader().Set(name, value)
	}
	if conf.Path != "" {
		r.SetPath([]byte(conf.Path))
	}
}
