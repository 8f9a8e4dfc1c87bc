// Runs one layer on the systolic machine. Files in +dir=...: config.hex (n_pixels, k_folds, f_folds, relu), px.hex and
// wt.hex (words of the two buffers), bias.hex and shift.hex (a word for each channel fold). Writes out.hex: a word of
// C results for each channel fold and pixel, and counters.txt: compute cycles (a fold under way) and the total.
// Not for synthesis.
module systolic_tb;
  parameter int R = 4;
  parameter int C = 4;
  parameter int DW = 8;
  parameter int WW = 8;
  parameter int AW = 32;
  parameter int PX_DEPTH = 4096;
  parameter int WT_DEPTH = 1024;
  parameter int SUM_DEPTH = 1024;

  logic clk = 0, rst = 1, px_we = 0, wt_we = 0, start = 0, running, done;
  logic [15:0] px_wr_word, wt_wr_word, read_word;
  logic [31:0] cfg[4];
  logic [R*DW-1:0] px[PX_DEPTH];
  logic [C*WW-1:0] wt[WT_DEPTH];
  logic [C*AW-1:0] biases[256];
  logic [C*6-1:0] shifts[256];
  logic [R*DW-1:0] px_wr_data;
  logic [C*WW-1:0] wt_wr_data;
  logic [C*AW-1:0] bias;
  logic [C*6-1:0] shift;
  logic [C*DW-1:0] results;
  string dir;
  int file, compute_cycles, total_cycles, n_px, n_wt;

  systolic #(
      .R(R), .C(C), .DW(DW), .WW(WW), .AW(AW), .PX_DEPTH(PX_DEPTH), .WT_DEPTH(WT_DEPTH), .SUM_DEPTH(SUM_DEPTH)
  ) machine (
      .clk, .rst, .px_we, .px_wr_word, .px_wr_data, .wt_we, .wt_wr_word, .wt_wr_data, .start,
      .n_pixels(cfg[0][15:0]), .k_folds(cfg[1][15:0]), .f_folds(cfg[2][15:0]), .running, .done,
      .read_word, .bias, .shift, .relu(cfg[3][0]), .results
  );

  always #5 clk = !clk;

  initial begin
    if (!$value$plusargs("dir=%s", dir)) $fatal(1, "give +dir=FOLDER");
    $readmemh({dir, "/config.hex"}, cfg, 0, 3);
    n_px = cfg[0] * cfg[1];
    n_wt = R * cfg[1] * cfg[2];
    $readmemh({dir, "/px.hex"}, px, 0, n_px - 1);
    $readmemh({dir, "/wt.hex"}, wt, 0, n_wt - 1);
    $readmemh({dir, "/bias.hex"}, biases, 0, cfg[2] - 1);
    $readmemh({dir, "/shift.hex"}, shifts, 0, cfg[2] - 1);
    @(negedge clk) px_we = 1;
    for (int i = 0; i < n_px; i++) begin
      px_wr_word = 16'(i);
      px_wr_data = px[i];
      @(negedge clk);
    end
    px_we = 0;
    wt_we = 1;
    for (int i = 0; i < n_wt; i++) begin
      wt_wr_word = 16'(i);
      wt_wr_data = wt[i];
      @(negedge clk);
    end
    wt_we = 0;
    repeat (2 * (R + C) + 4) @(negedge clk);
    rst = 0;
    start = 1;
    @(negedge clk) start = 0;
    compute_cycles = 0;
    total_cycles = 0;
    while (!done) begin
      compute_cycles += 32'(running);
      total_cycles += 1;
      @(negedge clk);
    end
    file = $fopen({dir, "/out.hex"}, "w");
    for (int i = 0; i < cfg[0] * cfg[2]; i++) begin
      read_word = 16'(i);
      bias = biases[i/cfg[0]];
      shift = shifts[i/cfg[0]];
      repeat (3) @(negedge clk);
      $fdisplay(file, "%h", results);
    end
    $fclose(file);
    file = $fopen({dir, "/counters.txt"}, "w");
    $fdisplay(file, "%0d %0d", compute_cycles, total_cycles);
    $fclose(file);
    $finish;
  end
endmodule
