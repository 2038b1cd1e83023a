// A plugin runner for tests, on the SDK of apache/apisix-go-plugin-runner.
package main

import (
	"go.uber.org/zap/zapcore"

	"github.com/apache/apisix-go-plugin-runner/pkg/log"
	"github.com/apache/apisix-go-plugin-runner/pkg/plugin"
	"github.com/apache/apisix-go-plugin-runner/pkg/runner"
)

func main() {
	for _, name := range []string{"rewrite-demo", "second-demo"} {
		if err := plugin.RegisterPlugin(&Demo{name: name}); err != nil {
			log.Fatalf("failed to register %s: %s", name, err)
		}
	}
	runner.Run(runner.RunnerConfig{LogLevel: zapcore.WarnLevel})
}
