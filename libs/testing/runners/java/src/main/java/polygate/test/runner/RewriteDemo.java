package polygate.test.runner;

import com.google.gson.Gson;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import org.apache.apisix.plugin.runner.HttpRequest;
import org.apache.apisix.plugin.runner.HttpResponse;
import org.apache.apisix.plugin.runner.PostRequest;
import org.apache.apisix.plugin.runner.PostResponse;
import org.apache.apisix.plugin.runner.filter.PluginFilter;
import org.apache.apisix.plugin.runner.filter.PluginFilterChain;

/** Does what its conf (JSON) says, see {@link DemoConf}. */
class RewriteDemo implements PluginFilter {
  private static final Gson GSON = new Gson();

  private final String name;
  private final List<String> variables;
  private final boolean asksForBody;
  private final boolean asksForResponseBody;

  RewriteDemo(String name, List<String> variables, boolean asksForBody, boolean asksForResponseBody) {
    this.name = name;
    this.variables = variables;
    this.asksForBody = asksForBody;
    this.asksForResponseBody = asksForResponseBody;
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public List<String> requiredVars() {
    return variables;
  }

  @Override
  public Boolean requiredBody() {
    return asksForBody;
  }

  @Override
  public Boolean requiredRespBody() {
    return asksForResponseBody;
  }

  @Override
  public void filter(HttpRequest request, HttpResponse response, PluginFilterChain chain) {
    DemoConf conf = GSON.fromJson(request.getConfig(this), DemoConf.class);
    disturb(conf);
    if (conf.stopStatus > 0) {
      stop(conf, response);
      return;
    }
    for (String variable : conf.vars) {
      request.setHeader("X-Var-" + variable, request.getVars(variable));
    }
    if (conf.digestBody) {
      // the SDK hands out one character a byte
      byte[] body = request.getBody().getBytes(StandardCharsets.ISO_8859_1);
      request.setHeader("X-Body-Bytes", String.valueOf(body.length));
      request.setHeader("X-Body-Sha256", sha256(body));
    }
    if (conf.echoHeader != null) {
      request.setHeader("X-Echo", request.getHeader(conf.echoHeader.toLowerCase(Locale.ROOT)));
    }
    conf.setHeaders.forEach((key, value) -> request.setHeader(key, value.isEmpty() ? null : value));
    conf.setArgs.forEach((key, value) -> request.setArg(key, value.isEmpty() ? null : value));
    if (conf.path != null) {
      request.setPath(conf.path);
    }
    chain.filter(request, response);
  }

  @Override
  public void postFilter(PostRequest request, PostResponse response, PluginFilterChain chain) {
    DemoConf conf = GSON.fromJson(request.getConfig(this), DemoConf.class);
    disturb(conf);
    conf.responseHeaders.forEach(response::setHeader);
    if (conf.status > 0) {
      response.setStatusCode(conf.status);
    }
    if (conf.appendBody != null) {
      byte[] body = request.getBody().getBytes(StandardCharsets.ISO_8859_1);
      response.setBody(new String(body, StandardCharsets.UTF_8) + conf.appendBody);
    }
    chain.postFilter(request, response);
  }

  private static void disturb(DemoConf conf) {
    try {
      Thread.sleep(conf.sleepMs);
    } catch (InterruptedException error) {
      Thread.currentThread().interrupt();
    }
    if (conf.kill) {
      // a process may not destroy itself; nothing is cleaned up this way either
      Runtime.getRuntime().halt(137);
    }
    if (conf.raise != null) {
      throw new IllegalStateException(conf.raise);
    }
  }

  private static void stop(DemoConf conf, HttpResponse response) {
    response.setStatusCode(conf.stopStatus);
    conf.stopHeaders.forEach(response::setHeader);
    response.setBody(conf.stopBytes > 0 ? "x".repeat(conf.stopBytes) : conf.stopBody);
  }

  private static String sha256(byte[] bytes) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    } catch (NoSuchAlgorithmException error) {
      throw new IllegalStateException(error);
    }
  }
}
