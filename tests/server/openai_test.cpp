// /v1 as the client libraries of OpenAI use it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "easel/base/base64.h"
#include "easel/image/codec.h"
#include "tests/server/client.h"

namespace easel::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class OpenAi : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    server_ = std::make_unique<server::Server>(test_options(folder_->path()));
  }
  static void TearDownTestSuite() {
    server_.reset();
    folder_.reset();
  }

  Response generate(const Json& changes) const {
    Json body{{"prompt", "a red bird"}, {"size", "64x64"}, {"steps", 2}, {"seed", 5}};
    body.update(changes);
    return client_.post("/v1/images/generations", body);
  }
  Json error(const Json& changes) const { return generate(changes).json().at("error"); }

  const Client client_{server_->port()};

 private:
  static inline std::unique_ptr<TemporaryFolder> folder_;
  static inline std::unique_ptr<server::Server> server_;
};

TEST_F(OpenAi, ImagesComeAsUrlsOrInBase64) {
  const Json by_url = generate({{"n", 2}}).json();
  EXPECT_GT(by_url["created"], 1'700'000'000);
  ASSERT_THAT(by_url["data"], SizeIs(2));
  const std::string url = by_url["data"][0]["url"];
  ASSERT_EQ(url.rfind("http://127.0.0.1/api/v1/images/", 0), 0u) << url;
  const std::string file = client_.get(url.substr(std::string("http://127.0.0.1").size())).body;

  const Json inside = generate({{"response_format", "b64_json"}, {"model", "dall-e-2"}}).json();
  ASSERT_THAT(inside["data"], SizeIs(1));
  EXPECT_EQ(inside["data"][0]["b64_json"], to_base64(std::as_bytes(std::span(file))));
  EXPECT_EQ(by_url["data"][1]["seed"], 6);
}

TEST_F(OpenAi, OtherFormatsAreEncoded) {
  const Json body =
      generate({{"response_format", "b64_json"}, {"output_format", "webp"}, {"output_compression", 80}}).json();
  const auto bytes = from_base64(body["data"][0]["b64_json"].get<std::string>());
  EXPECT_EQ(decode_image(*bytes, "image").format, ImageFormat::webp);
  EXPECT_EQ(error({{"output_format", "webp"}})["param"], "output_format");  // URLs lead to PNG
}

TEST_F(OpenAi, ErrorsHaveTheShapeThatClientsRead) {
  const Json wrong = error({{"size", "huge"}});
  EXPECT_EQ(wrong["type"], "invalid_request_error");
  EXPECT_EQ(wrong["param"], "size");
  EXPECT_THAT(wrong["message"].get<std::string>(), HasSubstr("512x512"));
  EXPECT_EQ(error({{"n", 11}})["param"], "n");
  EXPECT_EQ(error({{"prompt", nullptr}})["param"], "prompt");
  EXPECT_EQ(error({{"response_format", "jpeg"}})["param"], "response_format");
  EXPECT_EQ(error({{"stream", true}})["param"], "stream");
  EXPECT_THAT(error({{"size", "100x64"}})["message"].get<std::string>(), HasSubstr("multiple of 64"));
  EXPECT_EQ(generate({{"model", "no-such-model"}}).status, 404);
  EXPECT_EQ(client_.post_text("/v1/images/generations", "x").json()["error"]["code"], "invalid_request");
  EXPECT_EQ(client_.get("/v1/nothing").json()["error"]["code"], "not_found");
}

TEST_F(OpenAi, FieldsWithoutEffectAreTold) {
  EXPECT_THAT(generate({{"quality", "hd"}}).json()["warnings"],
              ElementsAre("\"quality\" has no meaning here and changed nothing"));
  EXPECT_FALSE(generate({{"user", "ann"}}).json().contains("warnings"));
}

using Part = std::pair<std::string, std::string>;  // what follows `name="`, and the content

std::string form(const std::vector<Part>& parts) {
  std::string body;
  for (const auto& [name, content] : parts) {
    body += "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + content + "\r\n";
  }
  return body + "--b--\r\n";
}

std::string file_of(const Image& image) {
  const std::vector<std::byte> bytes = encode_image(image);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST_F(OpenAi, VariationsAndEditsStartFromAnImage) {
  const Headers type = {{"Content-Type", "multipart/form-data; boundary=b"}};
  const Part image = {"image\"; filename=\"a.png", file_of(Image(64, 64, {90, 20, 30}))};
  const std::vector<Part> parts = {image, {"n", "2"}, {"steps", "2"}, {"seed", "3"}, {"size", "64x64"}};
  const Response varied = client_.post_text("/v1/images/variations", form(parts), type);
  EXPECT_EQ(varied.status, 200) << varied.body;
  EXPECT_THAT(varied.json()["data"], SizeIs(2));
  const Json job = client_.get("/api/v1/jobs?limit=1").json()["jobs"][0];
  EXPECT_EQ(job["request"]["task"], "img2img");
  EXPECT_EQ(client_.get(job["inputs"]["init_image"]).body, image.second);

  EXPECT_EQ(client_.post_text("/v1/images/edits", form(parts), type).json()["error"]["param"], "prompt");
  std::vector<Part> edit = parts;
  edit.emplace_back("prompt", "a bird");
  EXPECT_EQ(client_.post_text("/v1/images/edits", form(edit), type).status, 200);
  edit.emplace_back("mask\"; filename=\"m.png", image.second);
  EXPECT_EQ(client_.post_text("/v1/images/edits", form(edit), type).json()["error"]["param"], "mask");  // opaque
  EXPECT_EQ(client_.post_text("/v1/images/variations", "{}").status, 415);
  EXPECT_EQ(client_.post_text("/v1/images/variations", form({{"n", "1"}}), type).json()["error"]["param"], "image");
}

TEST_F(OpenAi, ModelsAreListed) {
  const Json list = client_.get("/v1/models").json();
  EXPECT_EQ(list["object"], "list");
  EXPECT_EQ(list["data"][0]["id"], "sd1-tiny");
  EXPECT_EQ(client_.get("/v1/models/sd1-tiny").json()["object"], "model");
  EXPECT_EQ(client_.get("/v1/models/other").status, 404);
}

}  // namespace
}  // namespace easel::testing
