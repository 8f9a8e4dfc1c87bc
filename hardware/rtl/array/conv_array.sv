// The output-stationary convolution array: tile loops, one memory port, buffers, POX x POY x POF MACs.
//
// One layer at a time: shift in its description, write biases and shifts, pulse `start`, wait for `busy` to fall.
// Feature maps lie in memory as channel, row, column; weights in the order of use (see weight_loader).
module conv_array #(
    parameter int POX = 4,          // output columns computed at once
    parameter int POY = 4,          // output rows computed at once
    parameter int POF = 4,          // output channels computed at once
    parameter int DW = 8,           // bits of a pixel, a multiple of 8
    parameter int WW = 8,           // bits of a weight, a multiple of 8
    parameter int AW = 32,          // bits of a sum and of a bias
    parameter int IN_DEPTH = 1024,  // words of an input bank in one half, a power of two
    parameter int WT_DEPTH = 1024,  // words of the weight buffer in one half, a power of two
    parameter int OUT_DEPTH = 256,  // words of an output bank in one half, a power of two
    parameter int PAR_DEPTH = 64,   // blocks of biases and shifts
    parameter int PORT = 4          // bytes of a memory beat: at least POX*DW/8 and POF*WW/8
) (
    input  logic              clk,          // clock
    input  logic              rst,          // reset, synchronous
    input  logic              cfg_we,       // one more word of the layer's description
    input  logic [      31:0] cfg_wdata,    // the word
    input  logic              par_we,       // bias and shift of one output channel
    input  logic [      15:0] par_block,    // its block of POF channels
    input  logic [       7:0] par_lane,     // its place in the block
    input  logic [    AW-1:0] par_bias,     // bias
    input  logic [       5:0] par_shift,    // binary digits to drop
    input  logic              start,        // run the layer
    output logic              busy,         // under way
    output logic              req_valid,    // memory: a beat is asked for
    input  logic              req_ready,    // and accepted
    output logic              req_write,    // it is a write
    output logic [      31:0] req_addr,     // its byte address
    output logic [       7:0] req_bytes,    // its bytes
    output logic [PORT*8-1:0] req_data,     // what to write
    input  logic              rsp_valid,    // memory: an answer to a read, in the order asked
    output logic              rsp_ready,    // and taken
    input  logic [PORT*8-1:0] rsp_data,     // what was read
    input  logic              ack,          // memory: one write has arrived
    output logic [      31:0] n_total,      // cycles since `start`
    output logic [      31:0] n_pass,       // cycles in which a pass was under way (compute cycles)
    output logic [      31:0] n_core,       // the same with filling and emptying of the pipeline
    output logic [      31:0] n_pixels,     // cycles in which the port brought pixels
    output logic [      31:0] n_weights,    // cycles in which the port brought weights
    output logic [      31:0] n_store       // cycles in which the port took results
);
  layer_t cfg;
  tile_t load_tile, core_tile, store_tile;
  logic load_pixels, pixels_busy, load_weights, weights_busy, compute, computed, store, store_busy;
  logic in_pixels, in_weights, in_store, in_compute, running;

  layer_registers registers (.clk, .we(cfg_we), .wdata(cfg_wdata), .cfg);

  tile_sequencer sequencer (
      .clk, .rst, .cfg, .start, .busy,
      .load_tile, .load_pixels, .pixels_busy, .load_weights, .weights_busy,
      .core_tile, .compute, .computed, .store_tile, .store, .store_busy,
      .in_pixels, .in_weights, .in_store, .in_compute
  );

  logic px_req_valid, px_rsp_ready, px_we, wt_req_valid, wt_we;
  logic [31:0] px_req_addr, wt_req_addr, st_req_addr;
  logic [7:0] px_req_bytes, wt_req_bytes, st_req_bytes, px_bank;
  logic [15:0] px_word, wt_word, st_word;
  logic [POX*DW-1:0] px_data, st_data, st_req_data;
  logic [POF*WW-1:0] wt_data;
  logic st_req_valid, st_re;
  logic [7:0] st_bank;

  pixel_loader #(.POX(POX), .POY(POY), .DW(DW)) pixels (
      .clk, .rst, .cfg, .tile(load_tile), .start(load_pixels), .busy(pixels_busy),
      .req_valid(px_req_valid), .req_ready, .req_addr(px_req_addr), .req_bytes(px_req_bytes),
      .rsp_valid(rsp_valid && in_pixels), .rsp_ready(px_rsp_ready), .rsp_data(rsp_data[POX*DW-1:0]),
      .we(px_we), .wr_bank(px_bank), .wr_word(px_word), .wr_data(px_data)
  );
  weight_loader #(.POF(POF), .WW(WW)) weights (
      .clk, .rst, .cfg, .tile(load_tile), .start(load_weights), .busy(weights_busy),
      .req_valid(wt_req_valid), .req_ready, .req_addr(wt_req_addr), .req_bytes(wt_req_bytes),
      .rsp_valid(rsp_valid && in_weights), .rsp_data(rsp_data[POF*WW-1:0]),
      .we(wt_we), .wr_word(wt_word), .wr_data(wt_data)
  );
  output_store #(.POX(POX), .POF(POF), .DW(DW)) results (
      .clk, .rst, .cfg, .tile(store_tile), .start(store), .busy(store_busy),
      .re(st_re), .rd_word(st_word), .rd_bank(st_bank), .rd_data(st_data),
      .req_valid(st_req_valid), .req_ready, .req_addr(st_req_addr), .req_bytes(st_req_bytes),
      .req_data(st_req_data), .ack
  );

  // Only one of the three uses the port at a time.
  assign req_valid = px_req_valid || wt_req_valid || st_req_valid;
  assign req_write = st_req_valid;
  assign req_data = {{(PORT * 8 - POX * DW) {1'b0}}, st_req_data};
  assign rsp_ready = !in_pixels || px_rsp_ready;
  always_comb begin
    {req_addr, req_bytes} = {px_req_addr, px_req_bytes};
    if (wt_req_valid) {req_addr, req_bytes} = {wt_req_addr, wt_req_bytes};
    if (st_req_valid) {req_addr, req_bytes} = {st_req_addr, st_req_bytes};
  end

  compute_core #(
      .POX(POX), .POY(POY), .POF(POF), .DW(DW), .WW(WW), .AW(AW),
      .IN_DEPTH(IN_DEPTH), .WT_DEPTH(WT_DEPTH), .OUT_DEPTH(OUT_DEPTH), .PAR_DEPTH(PAR_DEPTH)
  ) core (
      .clk, .rst, .cfg, .tile(core_tile), .start(compute), .running, .done(computed),
      .par_we, .par_block, .par_lane, .par_bias, .par_shift,
      .in_we(px_we), .in_wr_half(load_tile.in_half), .in_wr_bank(px_bank), .in_wr_word(px_word),
      .in_wr_data(px_data),
      .wt_we(wt_we), .wt_wr_half(load_tile.wt_half), .wt_wr_word(wt_word), .wt_wr_data(wt_data),
      .out_re(st_re), .out_rd_half(store_tile.out_half), .out_rd_word(st_word), .out_rd_bank(st_bank),
      .out_rd_data(st_data)
  );

  always_ff @(posedge clk) begin : counters
    if (rst || (start && !busy)) begin
      {n_total, n_pass, n_core, n_pixels, n_weights, n_store} <= '0;
    end else if (busy) begin
      n_total   <= n_total + 32'd1;
      n_pass    <= n_pass + 32'(running);
      n_core    <= n_core + 32'(in_compute);
      n_pixels  <= n_pixels + 32'(in_pixels);
      n_weights <= n_weights + 32'(in_weights);
      n_store   <= n_store + 32'(in_store);
    end
  end
endmodule
