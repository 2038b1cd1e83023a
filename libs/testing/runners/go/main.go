// A plugin runner for tests, on the SDK of apache/apisix-go-plugin-runner.
package main

import (
	"go.uber.org/zap/zapcore"

	"github.com/apache/apisix-go-plugin-runner/pkg/log"
	"github.com/apache/apisix-go-plugin-runner/pkg/plugin"
	"github.com/apache/apisix-go-plugin-runner/pkg/runner"
)

func main() {
	if err := plugin.RegisterPlugin(&Demo{}); err != nil {
		log.Fatalf("failed to register the demo plugin: %s", err)
	}
	runner.Run(runner.RunnerConfig{LogLevel: zapcore.WarnLevel})
}
