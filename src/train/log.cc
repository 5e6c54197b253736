#include "train/log.h"

#include <fmt/format.h>

#include <cstdlib>
#include <sstream>

#include "base/clock.h"
#include "run/metrics_file.h"

namespace rum {
TrainingLog::TrainingLog(const RunFolder& folder, Progress& progress, int64_t first)
    : folder_(folder),
      progress_(progress),
      events_(folder.path, first + 1),
      first_(first),
      begin_(seconds_now()),
      logged_at_(begin_) {}

void TrainingLog::step(const StepOutcome& s, double learning_rate, double epoch, int64_t steps) {
  const double now = seconds_now();
  const double rate = static_cast<double>(s.tokens - logged_tokens_) / (now - logged_at_);
  const double seconds_a_step = (now - begin_ - spent_) / static_cast<double>(s.step - first_);
  const double left = seconds_a_step * static_cast<double>(steps - s.step);
  progress_.status(fmt::format("step {}/{}  loss {:.4f}  {:.0f} tokens/s  {} left", s.step, steps, s.loss,
                               rate, duration(left)));
  note({{"step", s.step},
        {"loss", s.loss},
        {"learning_rate", learning_rate},
        {"norm", s.norm},
        {"epoch", epoch},
        {"tokens_per_second", rate}});
  const Scalar scalars[] = {{"loss/train", static_cast<float>(s.loss)},
                            {"optimizer/learning_rate", static_cast<float>(learning_rate)},
                            {"optimizer/norm", static_cast<float>(s.norm)}};
  events_.write(s.step, scalars);
  logged_at_ = now;
  logged_tokens_ = s.tokens;
}

void TrainingLog::skipped(const StepOutcome& s, const std::string& where) {
  progress_.line(fmt::format("step {}: loss {}, norm of the gradient {}{}; the step is skipped", s.step,
                             s.loss, s.norm, where));
  note({{"step", s.step}, {"skipped", true}, {"loss", s.loss}, {"norm", s.norm}});
}

void TrainingLog::evaluation(int64_t step, const Evaluation& e, const std::string& score_name) {
  Json::Object line{{"step", step}, {"valid_loss", e.loss}};
  std::vector<Scalar> scalars{{"loss/valid", static_cast<float>(e.loss)}};
  const std::string tag = score_name + "/valid";
  if (e.score) {
    line.emplace_back("valid_" + score_name, *e.score);
    scalars.push_back({tag, static_cast<float>(*e.score)});
  }
  if (!e.samples.empty())
    Disk::real().append(folder_.file("samples.txt"), fmt::format("step {}\n{}", step, e.samples));
  progress_.line(fmt::format("step {}: {}", step, e.text));
  note(std::move(line));
  events_.write(step, scalars);
}

double TrainingLog::seconds() const { return seconds_now() - begin_; }
void TrainingLog::pause() { paused_at_ = seconds_now(); }
void TrainingLog::go_on() {
  const double away = seconds_now() - paused_at_;
  spent_ += away;
  logged_at_ += away;
}
void TrainingLog::note(Json::Object line) {
  Disk::real().append(folder_.metrics(), to_json(Json(std::move(line))) + "\n");
}

void cut_log(const RunFolder& folder, Reached at, Progress& progress) {
  std::string kept;
  const int64_t damaged = each_metrics_line(folder, [&](const MetricsLine& line) {
    if (line.step <= (line.json.find("valid_loss") ? at.evaluated : at.step))
      kept += std::string(line.text) + '\n';
  });
  if (damaged > 0) progress.line(fmt::format("{}: damaged lines left out: {}", folder.metrics(), damaged));
  Disk::real().replace_text(folder.metrics(), kept);
  const std::string samples = folder.file("samples.txt");
  std::istringstream text(Disk::real().read(samples));
  bool keep = true;
  kept.clear();
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("step ")) keep = std::atoll(line.c_str() + 5) <= at.evaluated;
    if (keep) kept += line + '\n';
  }
  Disk::real().replace_text(samples, kept);
}
}  // namespace rum
