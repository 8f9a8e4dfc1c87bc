// Test bench of the output-stationary array: reads a folder of files, runs the layers in it, writes the memory
// and the counters. Plusargs: +dir=FOLDER, +wave (write wave.vcd), +limit=N (stop a layer after N cycles). `job.txt` there holds one line a layer: latency, rate (bytes a cycle
// times 256), number of description words, number of channels; then the words (hex) and block, lane, bias, shift.
// Not for synthesis.
module tb_conv;
  parameter int POX = 4, POY = 4, POF = 4, DW = 8, WW = 8, AW = 32;
  parameter int IN_DEPTH = 1024, WT_DEPTH = 1024, OUT_DEPTH = 256, PAR_DEPTH = 64, PORT = 4;
  parameter int BYTES = 1 << 20;

  logic clk = 0, rst = 1, cfg_we = 0, par_we = 0, start = 0, busy;
  logic [31:0] cfg_wdata;
  logic [15:0] par_block;
  logic [7:0] par_lane;
  logic [AW-1:0] par_bias;
  logic [5:0] par_shift;
  logic req_valid, req_ready, req_write, rsp_valid, rsp_ready, ack;
  logic [31:0] req_addr, n_total, n_pass, n_core, n_pixels, n_weights, n_store;
  logic [7:0] req_bytes;
  logic [PORT*8-1:0] req_data, rsp_data;
  logic signed [31:0] latency, rate;
  int n_words, n_channels, job, log, got, last_addr;
  int idle, limit = 2000000;
  string dir;

  conv_array #(
      .POX(POX), .POY(POY), .POF(POF), .DW(DW), .WW(WW), .AW(AW), .IN_DEPTH(IN_DEPTH),
      .WT_DEPTH(WT_DEPTH), .OUT_DEPTH(OUT_DEPTH), .PAR_DEPTH(PAR_DEPTH), .PORT(PORT)
  ) dut (.*);
  dram_stub #(.PORT(PORT), .BYTES(BYTES)) dram (.*);

  always #5 clk = !clk;

  task automatic write_layer;
    for (int i = 0; i < n_words; i++) begin
      got = $fscanf(job, "%h", cfg_wdata);
      cfg_we = 1;
      @(negedge clk);
    end
    cfg_we = 0;
    for (int i = 0; i < n_channels; i++) begin
      got = $fscanf(job, "%d %d %d %d", par_block, par_lane, par_bias, par_shift);
      par_we = 1;
      @(negedge clk);
    end
    par_we = 0;
  endtask

  initial begin
    if (!$value$plusargs("dir=%s", dir)) $fatal(1, "+dir=FOLDER is missing");
    got = $value$plusargs("limit=%d", limit);
    $readmemh({dir, "/dram.hex"}, dram.words);
    job = $fopen({dir, "/job.txt"}, "r");
    log = $fopen({dir, "/counters.txt"}, "w");
    if ($test$plusargs("wave")) begin
      $dumpfile({dir, "/wave.vcd"});
      $dumpvars(0, tb_conv);
    end
    repeat (3) @(negedge clk);
    rst = 0;
    while ($fscanf(job, "%d %d %d %d", latency, rate, n_words, n_channels) == 4) begin
      write_layer;
      repeat (2) @(negedge clk);
      start = 1;
      @(negedge clk);
      start = 0;
      @(negedge clk);
      while (busy) @(negedge clk);
      $fdisplay(log, "%0d %0d %0d %0d %0d %0d", n_total, n_pass, n_core, n_pixels, n_weights, n_store);
    end
    got = $fscanf(job, "end %d", last_addr);
    $writememh({dir, "/after.hex"}, dram.words, 0, last_addr);
    $finish;
  end

  // A layer that does not end is an error, not an endless simulation.
  always @(negedge clk) begin
    idle <= busy === 1'b1 ? idle + 1 : 0;
    if (idle > limit) $fatal(1, "the array is still busy after %0d cycles", idle);
  end
endmodule
