package polygate.test.runner;

import java.util.List;
import org.apache.apisix.plugin.runner.filter.PluginFilter;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;

/**
 * A plugin runner for tests, on apisix-runner-starter. A filter has to say ahead of all calls what
 * it will ask the gateway for, so the demo comes in several kinds.
 */
@SpringBootApplication(scanBasePackages = {"polygate.test.runner", "org.apache.apisix.plugin.runner"})
public class Application {
  private static final List<String> VARIABLES =
      List.of("remote_addr", "arg_a", "route_id", "no_such_variable");

  public static void main(String[] args) {
    SpringApplication.run(Application.class, args);
  }

  @Bean
  PluginFilter rewriteDemo() {
    return new RewriteDemo("rewrite-demo", List.of(), false, false);
  }

  @Bean
  PluginFilter second() {
    return new RewriteDemo("second-demo", List.of(), false, false);
  }

  @Bean
  PluginFilter withVariables() {
    return new RewriteDemo("rewrite-demo-variables", VARIABLES, false, false);
  }

  @Bean
  PluginFilter withBody() {
    return new RewriteDemo("rewrite-demo-body", List.of(), true, false);
  }

  @Bean
  PluginFilter withResponseBody() {
    return new RewriteDemo("rewrite-demo-response-body", List.of(), false, true);
  }
}
