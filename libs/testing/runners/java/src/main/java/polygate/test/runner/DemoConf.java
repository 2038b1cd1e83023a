package polygate.test.runner;

import com.google.gson.annotations.SerializedName;
import java.util.List;
import java.util.Map;

/** What the conf says, as in the other runners; null or 0 is: not done. */
class DemoConf {
  @SerializedName("set_headers")
  Map<String, String> setHeaders = Map.of();

  String path;

  @SerializedName("set_args")
  Map<String, String> setArgs = Map.of();

  List<String> vars = List.of();

  @SerializedName("digest_body")
  boolean digestBody;

  @SerializedName("response_headers")
  Map<String, String> responseHeaders = Map.of();

  @SerializedName("stop_status")
  int stopStatus;

  @SerializedName("stop_headers")
  Map<String, String> stopHeaders = Map.of();

  @SerializedName("stop_body")
  String stopBody = "";

  @SerializedName("stop_bytes")
  int stopBytes;

  @SerializedName("sleep_ms")
  long sleepMs;

  String raise;

  boolean kill;

  @SerializedName("echo_header")
  String echoHeader;

  @SerializedName("append_body")
  String appendBody;

  int status;
}
