import { pascalCase, type Project, type ProjectNaming } from './project.ts';

const SOURCES = 'src/main/java/com/example/runner';

/** A Spring Boot program on org.apache.apisix:apisix-runner-starter, for Java 17 and Maven. */
export function javaProject({ name, hasCheckPlugin }: ProjectNaming): Project {
  const type = `${pascalCase(name)}Filter`;
  return {
    files: {
      'pom.xml': pom(name),
      'src/main/resources/application.properties': PROPERTIES,
      [`${SOURCES}/Application.java`]: APPLICATION,
      [`${SOURCES}/${type}.java`]: plugin(name, type),
      '.gitignore': 'target/\n',
      ...(hasCheckPlugin ? { [`${SOURCES}/PolygateCheckFilter.java`]: CHECK_PLUGIN } : {}),
    },
    build: ['mvn --batch-mode package'],
    command: ['java', '-Xmx512m', '-jar', `{dir}/target/${name}.jar`],
  };
}

const pom = (name: string) => `<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>com.example</groupId>
  <artifactId>${name}</artifactId>
  <version>0.1.0</version>

  <properties>
    <maven.compiler.release>17</maven.compiler.release>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
    <!-- what the runner was built with -->
    <spring-boot.version>2.6.8</spring-boot.version>
  </properties>

  <dependencies>
    <dependency>
      <groupId>org.apache.apisix</groupId>
      <artifactId>apisix-runner-starter</artifactId>
      <version>0.4.0</version>
    </dependency>
    <dependency>
      <groupId>com.google.code.gson</groupId>
      <artifactId>gson</artifactId>
      <version>2.8.9</version>
    </dependency>
  </dependencies>

  <build>
    <finalName>\${project.artifactId}</finalName>
    <plugins>
      <plugin>
        <groupId>org.apache.maven.plugins</groupId>
        <artifactId>maven-resources-plugin</artifactId>
        <version>3.2.0</version>
      </plugin>
      <plugin>
        <groupId>org.apache.maven.plugins</groupId>
        <artifactId>maven-compiler-plugin</artifactId>
        <version>3.8.1</version>
      </plugin>
      <plugin>
        <groupId>org.apache.maven.plugins</groupId>
        <artifactId>maven-jar-plugin</artifactId>
        <version>3.2.2</version>
      </plugin>
      <plugin>
        <groupId>org.springframework.boot</groupId>
        <artifactId>spring-boot-maven-plugin</artifactId>
        <version>\${spring-boot.version}</version>
        <executions>
          <execution>
            <goals>
              <goal>repackage</goal>
            </goals>
          </execution>
        </executions>
      </plugin>
    </plugins>
  </build>
</project>
`;

const PROPERTIES = `spring.main.web-application-type=none
spring.main.banner-mode=off
socket.file=\${APISIX_LISTEN_ADDRESS}
cache.config.expired=\${APISIX_CONF_EXPIRE_TIME}
cache.config.capacity=1000
`;

const APPLICATION = `package com.example.runner;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;

/** The runner with the filters of this project: each is a component of this package. */
@SpringBootApplication(scanBasePackages = {"com.example.runner", "org.apache.apisix.plugin.runner"})
public class Application {
  public static void main(String[] args) {
    SpringApplication.run(Application.class, args);
  }
}
`;

const plugin = (name: string, type: string) => `package com.example.runner;

import com.google.gson.Gson;
import java.util.Locale;
import org.apache.apisix.plugin.runner.HttpRequest;
import org.apache.apisix.plugin.runner.HttpResponse;
import org.apache.apisix.plugin.runner.filter.PluginFilter;
import org.apache.apisix.plugin.runner.filter.PluginFilterChain;
import org.springframework.stereotype.Component;

/** Lets through what has a certain header, and says so to the upstream. */
@Component
public class ${type} implements PluginFilter {
  private static final Gson GSON = new Gson();

  static class Conf {
    String header;
    int status = 401;
  }

  /** What a route's conf calls this filter. */
  @Override
  public String name() {
    return "${name}";
  }

  /** What it throws, for a bad conf too, ends the request with 503. */
  @Override
  public void filter(HttpRequest request, HttpResponse response, PluginFilterChain chain) {
    Conf conf = GSON.fromJson(request.getConfig(this), Conf.class);
    if (conf == null || conf.header == null) {
      throw new IllegalArgumentException("${name}: header is missing");
    }
    // The SDK compares names letter by letter, and gateways send them in lower case.
    if (request.getHeader(conf.header.toLowerCase(Locale.ROOT)) == null) {
      response.setStatusCode(conf.status);
      response.setBody("no " + conf.header);
    } else {
      request.setHeader("X-Checked-By", "${name}");
    }
    // Also where it ends the request: from 0.5 on the chain is what sends the answer.
    chain.filter(request, response);
  }
}
`;

const CHECK_PLUGIN = `package com.example.runner;

import com.google.gson.Gson;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import org.apache.apisix.plugin.runner.HttpRequest;
import org.apache.apisix.plugin.runner.HttpResponse;
import org.apache.apisix.plugin.runner.PostRequest;
import org.apache.apisix.plugin.runner.PostResponse;
import org.apache.apisix.plugin.runner.filter.PluginFilter;
import org.apache.apisix.plugin.runner.filter.PluginFilterChain;
import org.springframework.stereotype.Component;

/** Does what tools/runner-check tells it. Not for production. */
@Component
public class PolygateCheckFilter implements PluginFilter {
  private static final Gson GSON = new Gson();

  static class Conf {
    @com.google.gson.annotations.SerializedName("do")
    String told = "continue";

    int bytes;
    int ms;
  }

  @Override
  public String name() {
    return "polygate-check";
  }

  @Override
  public List<String> requiredVars() {
    return List.of("check_variable");
  }

  @Override
  public Boolean requiredBody() {
    return true;
  }

  @Override
  public Boolean requiredRespBody() {
    return true;
  }

  @Override
  public void filter(HttpRequest request, HttpResponse response, PluginFilterChain chain) {
    Conf conf = GSON.fromJson(request.getConfig(this), Conf.class);
    switch (conf.told) {
      case "stop" -> {
        response.setStatusCode(403);
        response.setHeader("X-Check", "stopped");
        response.setBody("stopped");
      }
      case "rewrite" -> {
        request.setPath("/checked");
        request.setHeader("X-Check", "rewritten");
        request.setArg("check", "1");
      }
      case "variable" -> {
        String value = request.getVars("check_variable");
        request.setHeader("X-Check", value == null || value.isEmpty() ? "absent" : value);
      }
      case "body" -> {
        byte[] body = request.getBody().getBytes(StandardCharsets.ISO_8859_1);
        request.setHeader("X-Check-Bytes", String.valueOf(body.length));
        request.setHeader("X-Check-Sha256", sha256(body));
      }
      case "answer" -> {
        response.setStatusCode(200);
        response.setBody("x".repeat(conf.bytes));
      }
      case "throw" -> throw new IllegalStateException("as it was told");
      case "sleep" -> sleep(conf.ms);
      default -> { }
    }
    chain.filter(request, response);
  }

  @Override
  public void postFilter(PostRequest request, PostResponse response, PluginFilterChain chain) {
    Conf conf = GSON.fromJson(request.getConfig(this), Conf.class);
    if (conf.told.equals("response")) {
      response.setStatusCode(201);
      response.setHeader("X-Check", "seen");
      response.setBody(request.getBody() + "!");
    }
    chain.postFilter(request, response);
  }

  private static void sleep(int ms) {
    try {
      Thread.sleep(ms);
    } catch (InterruptedException error) {
      Thread.currentThread().interrupt();
    }
  }

  private static String sha256(byte[] body) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(body));
    } catch (NoSuchAlgorithmException error) {
      throw new IllegalStateException(error);
    }
  }
}
`;
